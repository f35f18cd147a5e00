"""The audit trail, searched: by kind, by who or what it is about, before a day; a page at a time, the newest first."""

from __future__ import annotations

from datetime import UTC, datetime

from aiohttp import web

from appservice.console.pages.page import ConsolePage, asked, number, without_empty
from bridge.errors import Refused
from bridge.trail.entry import TrailKind

_DAY = 86_400_000  # ms


class AuditPage(ConsolePage):
    """Only looks."""

    def routes(self, app: web.Application) -> None:
        """Add it to an application."""
        app.router.add_get("/audit", self.show, name="audit")

    async def show(self, request: web.Request) -> web.Response:
        """One page of rows."""
        kind, about, day = asked(request, "kind"), asked(request, "about"), asked(request, "day")
        if kind and kind not in [one.value for one in TrailKind]:
            raise Refused("console_no_number")
        found = await self._doing.see(
            "audit", kind=kind or None, about=about or None, until=_end_of(day), before=number(request, "before", 0)
        )
        return self._page(
            request, "audit", kind=kind, about=about, day=day, kinds=[one.value for one in TrailKind],
            query=without_empty(kind=kind, about=about, day=day), **found,
        )  # fmt: skip


def _end_of(day: str) -> int | None:
    """The ms at which a day (UTC) ends. Raises Refused."""
    if not day:
        return None
    try:
        return int(datetime.strptime(day, "%Y-%m-%d").replace(tzinfo=UTC).timestamp() * 1000) + _DAY
    except ValueError:
        raise Refused("console_no_number") from None
