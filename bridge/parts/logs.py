"""The log: what happened and where, without the text of exceptions: libraries quote what they could not read."""

from __future__ import annotations

import asyncio
import json
import logging
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, TextIO

from bridge.errors import where
from bridge.parts.alarms import ALARM, ALARMS

log = logging.getLogger(__name__)
_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"


class Quiet(logging.Formatter):
    """Names the kind and the place of an exception below its record."""

    def formatException(
        self, ei: tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]
    ) -> str:
        """Without its text."""
        return where(ei[1]) if ei[1] is not None else ""


class Machine(Quiet):
    """One JSON object for each record, for what gathers logs: at, level, part, text, and where an exception was."""

    def format(self, record: logging.LogRecord) -> str:
        """One line."""
        at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        text = record.getMessage()
        said: dict[str, object] = {
            "at": at,
            "level": record.levelname,
            "part": record.name,
            "text": text.removeprefix(ALARM),
        }
        if text.startswith(ALARM):
            said["alarm"] = True
        if record.exc_info:
            said["where"] = self.formatException(record.exc_info)
        return json.dumps(said, ensure_ascii=False)


def begin(level: str, stream: TextIO, form: str = "text") -> None:
    """Log from ``level`` on, requests apart, as ``text`` or ``json``; alarms are counted."""
    handler = logging.StreamHandler(stream)
    handler.setFormatter(Machine() if form == "json" else Quiet(_FORMAT))
    logging.basicConfig(level=level, handlers=[handler, ALARMS])
    logging.getLogger("aiohttp.access").disabled = True


def unhandled(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """What nobody caught in a task or a callback: the representation of a task would hold the exception's text."""
    bug = context.get("exception")
    log.error("ALARM %s: %s", context.get("message", "unhandled"), where(bug) if bug is not None else "no exception")
