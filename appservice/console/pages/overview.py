"""The first page: what works, what waits since when, and what needs somebody."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from typing import Any

from aiohttp import web

from appservice.console.doing import Doing
from appservice.console.frame import PageFrame
from appservice.console.pages.page import ConsolePage, Json
from appservice.operating.status import LONG, LOW
from bridge.hub.operating.waiting import MOST

_DAY = 86_400
_CERTIFICATE, _LIST = 30 * _DAY, 7 * _DAY  # s before their ends


class OverviewPage(ConsolePage):
    """``late``: s after which writers hear that a message waits."""

    def __init__(self, doing: Doing, frame: PageFrame, late: float) -> None:
        super().__init__(doing, frame)
        self._late = late

    def routes(self, app: web.Application) -> None:
        """Add it to an application."""
        app.router.add_get("/", self.show, name="overview")
        app.router.add_get("/alarms", self.alarms, name="alarms")

    async def show(self, request: web.Request) -> web.Response:
        """Everything on one screen."""
        see, now = self._doing.see, time.time()
        stand, claims = await asyncio.gather(see("status"), see("accounts", state="held"))
        needs = [*concerns(stand, now, self._late), *inside(stand, now), *around(stand, now)]
        if claims["claims"] or claims["rivals"]:
            needs.append(("needs_claims", {"n": len(claims["claims"]) + len(claims["rivals"])}, "/claims"))
        return self._page(request, "overview", stand=stand, needs=needs, now=now, most=MOST)

    async def alarms(self, request: web.Request) -> web.Response:
        """What the log has said in words that an operator has to see."""
        return self._page(request, "alarms", **await self._doing.see("alarms"))


Need = tuple[str, dict[str, Any], str]
"""A sentence of the catalogue, what is put into it, and the page that helps."""


def concerns(stand: Json, now: float, late: float) -> Iterator[Need]:
    """What needs somebody, of what is under way between networks."""
    if stand["trouble"]:
        yield "needs_trouble", {"why": stand["trouble"]}, "/alarms"
    if not stand["database"]:
        yield "needs_database", {}, "/alarms"
    for one in stand["traffic"]:
        about, page = {"network": one["network"]}, f"/waiting?network={one['network']}"
        if not one["up"]:
            yield "needs_network", about, page
        elif one["late"] or (one["oldest"] is not None and now - one["oldest"] / 1000 > late):
            yield "needs_late", about, page
    if alarms := sum(stand["alarms"].values()):
        yield "needs_alarms", {"n": alarms}, "/alarms"


def inside(stand: Json, now: float) -> Iterator[Need]:
    """The same, of what is under way within the edge of a network."""
    for one in stand["queues"]:
        limit = LONG.get(one["name"])
        if limit is not None and one["oldest"] is not None and now - one["oldest"] / 1000 >= limit:
            about = {"network": one["network"], "n": one["waiting"], "part": one["part"]}
            yield f"needs_{one['name']}", about, f"/waiting?network={one['network']}"


def around(stand: Json, now: float) -> Iterator[Need]:
    """The same, of what the hub stands on."""
    if (listed := stand["federation"]) is not None and listed["expires"] - now < _LIST:
        yield "needs_list", {}, "/trust"
    for one in stand["lists"]:
        if one["old"]:
            where = "/directory" if one["name"] == "directory" else "/trust"
            yield "needs_old", {"name": one["name"], "why": one["trouble"] or "–"}, where
    for name, end in sorted(stand["certificates"].items()):
        if end - now < _CERTIFICATE:
            state = "unreadable" if not end else "ended" if end < now else "ends"
            yield f"needs_certificate_{state}", {"name": name, "n": int((end - now) / _DAY)}, "/trust"
    for disk in stand["disks"]:
        if disk["free"] < LOW * disk["size"]:
            yield "needs_disk", {"path": disk["path"], "mib": disk["free"] // 2**20}, "/trust"
