"""The log: what happened and where, without the text of exceptions: libraries quote what they could not read."""

from __future__ import annotations

import asyncio
import logging
from types import TracebackType
from typing import Any, TextIO

from bridge.errors import where
from bridge.parts.alarms import ALARMS

log = logging.getLogger(__name__)
_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"


class Quiet(logging.Formatter):
    """Names the kind and the place of an exception below its record."""

    def formatException(
        self, ei: tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]
    ) -> str:
        """Without its text."""
        return where(ei[1]) if ei[1] is not None else ""


def begin(level: str, stream: TextIO) -> None:
    """Log from ``level`` on, requests apart; alarms are counted."""
    handler = logging.StreamHandler(stream)
    handler.setFormatter(Quiet(_FORMAT))
    logging.basicConfig(level=level, handlers=[handler, ALARMS])
    logging.getLogger("aiohttp.access").disabled = True


def unhandled(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """What nobody caught in a task or a callback: the representation of a task would hold the exception's text."""
    bug = context.get("exception")
    log.error("ALARM %s: %s", context.get("message", "unhandled"), where(bug) if bug is not None else "no exception")
