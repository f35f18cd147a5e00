"""The operator's console of a demo world, with a simulated provider by which its operators log in."""

from __future__ import annotations

from typing import Any

from deploy.world.ports import free_ports
from deploy.world.provider import CONSOLE, SECRET, IdentityProvider
from deploy.world.state_directory import StateDirectory

WHO: dict[str, dict[str, Any]] = {
    "ines": {"sub": "u1", "preferred_username": "ines", "groups": ["liaison-act"]},
    "omar": {"sub": "u2", "preferred_username": "omar", "groups": ["liaison-see"]},
}
"""Ines may act, Omar may look."""


class Operator:
    """The section ``console`` of the hub, and the provider that it names; `start` it before somebody logs in."""

    def __init__(self, state: StateDirectory) -> None:
        self._state = state
        (self._port,) = free_ports(1)
        self._provider = IdentityProvider({}, WHO)
        self.url = f"http://127.0.0.1:{self._port}"

    def section(self) -> dict[str, Any]:
        """Of the configuration."""
        self._state.write("secrets/console", SECRET + "\n")
        return {
            "host": "127.0.0.1", "port": self._port, "public_url": self.url, "issuer": self._provider.local_issuer,
            "client_id": CONSOLE, "client_secret": f"file:{self._state / 'secrets/console'}",
            "see": ["liaison-see"], "act": ["liaison-act"],
        }  # fmt: skip

    async def start(self) -> None:
        """The provider answers."""
        await self._provider.start("http://127.0.0.1:1", self._state / "provider.log", self.url)

    async def stop(self) -> None:
        """It ends."""
        await self._provider.stop()
