"""One process of a hub, from its start to its end: it waits for its turn, works, and waits again if pushed aside."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from appservice.process import examine
from appservice.process.app import components_of, running
from appservice.process.serving.supervisor import Supervisor
from appservice.process.serving.workers import Workers
from bridge.config import BadConfig, Config, read_config
from bridge.errors import Unavailable
from bridge.parts.disk import FileWatch

if TYPE_CHECKING:
    from bridge.db.postgres.keeper import Keeper

log = logging.getLogger(__name__)
_RINGS = 10_000  # objects, more than there were, after which Python looks for rings of garbage
_ENDS = 30.0  # s in which a worker that was pushed aside has ended its work
_PAUSE = 1.0  # s until a worker that could not begin tries again
_LOOK = 5.0  # s between two looks at the configuration's file


async def run(config: Config, path: Path | None = None) -> None:
    """Run a hub until SIGTERM or SIGINT; ``path`` is the configuration's file, of which some is read again.

    Where another worker has the database it waits, and hands on, until that one ends. Raises BadConfig, Unavailable
    (the database cannot be opened).
    """
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    workers, components, supervisor = Workers(config, path), components_of(examine.sections(config)), Supervisor()
    living = asyncio.ensure_future(supervisor.live())
    try:
        supervisor.say("READY=1", "STATUS=waits for its turn")
        while not ended.is_set():
            loop.add_signal_handler(signal.SIGHUP, lambda: None)  # who waits reads everything when it begins
            waiting = asyncio.ensure_future(workers.turn(components))
            if not await _before(ended, waiting):
                return
            if (keeper := waiting.result()) is not None:
                log.info("this worker has the database from now on")
            try:
                await _work(config, path, workers, keeper, ended, supervisor)
            except Exception as reason:
                if not workers.several or not is_away(reason):
                    raise
                log.warning("this worker cannot work now, and waits")
                await asyncio.sleep(_PAUSE)
            supervisor.say("STATUS=waits for its turn")
    finally:
        supervisor.say("STOPPING=1")
        await workers.stop()
        living.cancel()


def is_away(error: BaseException) -> bool:
    """Whether somebody who was away has ended the work and nothing else, also where many tasks ended with it."""
    if isinstance(error, BaseExceptionGroup):
        return all(is_away(one) for one in error.exceptions)
    return isinstance(error, Unavailable)


async def _work(
    config: Config,
    path: Path | None,
    workers: Workers,
    keeper: Keeper | None,
    ended: asyncio.Event,
    supervisor: Supervisor,
) -> None:
    """Until the process is to end, or another worker has taken over."""
    loop, watch = asyncio.get_running_loop(), None if path is None else FileWatch(path, _LOOK)
    with ExitStack() as over:  # also when the end fails: who stands by again must not be ended then
        beginning = over.enter_context(ExitStack())
        beginning.enter_context(supervisor.standing_still())
        supervisor.say("STATUS=begins")
        async with running(_newest(config, path), watch, workers, keeper) as parts:
            beginning.close()
            supervisor.say("STATUS=works")
            if watch is not None:
                loop.add_signal_handler(signal.SIGHUP, watch.ask)
            _spare_collections()
            taken = await _before(ended, asyncio.ensure_future(parts.core.db.taken_over()))
            log.info("this worker waits from now on" if taken else "stopping")
            if taken:
                over.callback(loop.call_later(_ENDS, _give_up).cancel)


def _newest(config: Config, path: Path | None) -> Config:
    """A worker that has waited may have read the file long ago: what was taken back since then counts no more."""
    try:
        return config if path is None else read_config(path)
    except BadConfig as bad:
        log.error("ALARM the configuration is not read again, the last one stays: %s", bad)
        return config


def _give_up() -> None:
    """What does not end by itself must not keep a worker from standing by: systemd starts another."""
    log.error("this worker could not end what it was doing, and ends itself")
    os._exit(os.EX_TEMPFAIL)


async def _before(ended: asyncio.Event, work: asyncio.Future[Any]) -> bool:
    """Whether something is done before the process is to end; then it is cancelled."""
    end = asyncio.ensure_future(ended.wait())
    try:
        await asyncio.wait({end, work}, return_when=asyncio.FIRST_COMPLETED)
        return work.done()
    finally:
        for one in (end, work):
            one.cancel()
        await asyncio.gather(end, return_exceptions=True)
        if not work.done():
            await asyncio.gather(work, return_exceptions=True)


def _spare_collections() -> None:
    """Python looks for rings of garbage often, and each time at more; what is here now stays, so it is left out."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_RINGS)
