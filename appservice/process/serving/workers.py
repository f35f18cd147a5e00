"""One worker among several of one hub: it waits and hands on, or it has the lease and works.

On a SQLite file there is one worker, which works at once.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from importlib.metadata import version
from typing import TYPE_CHECKING

from bridge.config import BadConfig, Config, ListenSettings
from bridge.db import Component, Database, is_server
from bridge.errors import said
from bridge.workers.entrances import Entrances
from bridge.workers.forwarding import Forwarding, Working
from bridge.workers.inner import Inner

if TYPE_CHECKING:
    from bridge.db.postgres.keeper import Keeper
    from bridge.db.postgres.standby import Directions

log = logging.getLogger(__name__)
RELEASE = version("liaison-hub")


class Workers:
    """This process among them."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self.several = is_server(config.database.url)
        self.entrances = Entrances(shared=self.several)
        self._forwarding = Forwarding(self.entrances, self._listens)
        self._inner: Inner | None = None

    async def turn(self, components: Sequence[Component]) -> Keeper | None:
        """Wait until this one may work, and hand on meanwhile. None where there are no others.

        Raises BadConfig, Unavailable.
        """
        if not self.several:
            return None
        from bridge.db.postgres.standby import Standby

        try:
            return await Standby(self._config.database.url, components, RELEASE).wait(self._seen)
        except ValueError as error:
            raise BadConfig(str(error)) from None

    async def works(self, db: Database) -> None:
        """This one works now, everything of it has started: the others hand on to it. Raises BadConfig, Unavailable."""
        from bridge.db.postgres import Postgres

        if not isinstance(db, Postgres):
            return
        inner = self._inner = Inner(self.entrances, self._config.workers.host)
        try:
            await inner.start()
        except OSError as error:
            raise BadConfig(f"workers.host: {said(error)}") from None
        places = dict(self.entrances.places)
        await db.publish(json.dumps({"at": inner.address, "places": places}), inner.secret, RELEASE)
        await self._forwarding.towards(Working(inner.address, inner.secret, places))

    async def rests(self) -> None:
        """This one works no more."""
        await self._forwarding.towards(None)
        if self._inner is not None:
            await self._inner.stop()
            self._inner = None

    async def stop(self) -> None:
        """The process ends."""
        await self.rests()
        await self._forwarding.stop()

    async def _seen(self, reach: Directions | None) -> None:
        if reach is None:
            return await self._forwarding.towards(None)
        told = json.loads(reach.address)
        places = {name: (host, port) for name, (host, port) in told["places"].items()}
        await self._forwarding.towards(Working(told["at"], reach.secret, places))

    def _listens(self, name: str) -> tuple[str, int] | None:
        section = getattr(self._config, name, None)
        return (section.host, section.port) if isinstance(section, ListenSettings) else None
