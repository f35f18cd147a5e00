"""One worker among several of one hub: it waits and hands on, or it has the lease and works.

On a SQLite file there is one worker, which works at once.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from appservice.process.serving.agreeing import RELEASE, Agreeing
from bridge.config import BadConfig, Config, ListenSettings
from bridge.db import Component, Database, is_server
from bridge.errors import Unavailable, said
from bridge.parts.endless import endless
from bridge.parts.tasks import Tasks
from bridge.workers.agreement import differences
from bridge.workers.entrances import Entrances
from bridge.workers.forwarding import Forwarding, Working
from bridge.workers.inner import Inner

if TYPE_CHECKING:
    from bridge.db.postgres import Postgres
    from bridge.db.postgres.keeper import Keeper
    from bridge.db.postgres.standby import Directions

log = logging.getLogger(__name__)
_LOOK = 10.0  # s between two looks at what other workers say of their configuration


class Workers:
    """This process among them."""

    def __init__(self, config: Config, path: Path | None = None) -> None:
        """``path``: the configuration's file, of which this worker says to the others how it stands."""
        self._config = config
        self._agreeing = Agreeing(config, path)
        self._others: dict[str, tuple[str, ...]] = {}  # in which sections another worker differs, as it was said
        self._tasks = Tasks("workers")
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
            return await Standby(self._config.database.url, components, RELEASE, self._agreeing.now).wait(self._seen)
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
        there = json.dumps({"at": inner.address, "places": places})
        await db.publish(there, inner.secret, RELEASE, self._agreeing.now())
        self._tasks.start(endless("workers", lambda: self._compare(db)))
        await self._forwarding.towards(Working(inner.address, inner.secret, places))

    async def rests(self) -> None:
        """This one works no more."""
        await self._tasks.stop()
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
        self._differs("the one that works", reach.configuration)
        try:
            told = json.loads(reach.address)
            places = {name: (host, port) for name, (host, port) in told["places"].items()}
            working = Working(told["at"], reach.secret, places)
        except (ValueError, TypeError, AttributeError, KeyError):  # of another release, which says it in another way
            log.debug("where the worker that works is reached cannot be read")
            return await self._forwarding.towards(None)
        await self._forwarding.towards(working)

    async def _compare(self, db: Postgres) -> None:
        """Say which of the others is configured otherwise, for ever."""
        while True:
            try:
                await db.configured(self._agreeing.now())
                others = {one.name: one.configuration for one in await db.workers() if not one.works}
                for name in self._others.keys() - others.keys():
                    del self._others[name]
                for name, configuration in others.items():
                    self._differs(name, configuration)
            except Unavailable as reason:
                log.debug("the workers are not compared: %s", reason)
            await asyncio.sleep(_LOOK)

    def _differs(self, name: str, configuration: str) -> None:
        found = differences(self._agreeing.last, configuration)
        if found != self._others.get(name, ()):
            how = f"differs in {', '.join(found)}" if found else "is the same"
            log.warning("the configuration of another worker (%s) %s", name, how)
        self._others[name] = found

    def _listens(self, name: str) -> tuple[str, int] | None:
        section = getattr(self._config, name, None)
        return (section.host, section.port) if isinstance(section, ListenSettings) else None
