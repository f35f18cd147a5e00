"""Two real homeservers, the first with a place for a hub."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from appservice.process.settings import MatrixSettings
from deploy.world.synapse import Synapse


@dataclass
class Servers:
    """Two homeservers; the first knows the hub at ``port``."""

    home: Synapse
    away: Synapse
    port: int

    def settings(self, **more: Any) -> MatrixSettings:
        """The hub's section for the first server."""
        return MatrixSettings(
            homeserver=self.home.hub_url, server_name=self.home.name, as_token="as-real", hs_token="hs-real",
            address=f"http://127.0.0.1:{self.port}", key_wait_s=3.0, park_notice_s=2.0, **more,
        )  # fmt: skip

    def trusted(self, server: str) -> bool:
        """Both."""
        return server in (self.home.name, self.away.name)

    def ghost(self, rpps: str) -> str:
        """A professional's Matrix user."""
        return f"@rpps_{rpps}:{self.home.name}"

    @property
    def voice(self) -> str:
        """The hub's own user."""
        return f"@rpps_liaison:{self.home.name}"
