"""What the hub stands on: the directory, trust lists and certificates."""

from __future__ import annotations

import time

from aiohttp import web

from appservice.console.pages.page import ConsolePage


class SupplyPage(ConsolePage):
    """Only looks."""

    def routes(self, app: web.Application) -> None:
        """Add them to an application."""
        app.router.add_get("/directory", self.directory, name="directory")
        app.router.add_get("/trust", self.trust, name="trust")

    async def directory(self, request: web.Request) -> web.Response:
        """What is loaded, and how old it is."""
        return self._page(request, "directory", **await self._doing.see("directory"))

    async def trust(self, request: web.Request) -> web.Response:
        """Lists and certificates, and the days they have left; room on disks."""
        see = self._doing.see
        stand, found = await see("status"), await see("lists")
        certificates, disks = sorted(stand["certificates"].items()), stand["disks"]
        return self._page(request, "trust", now=time.time(), certificates=certificates, disks=disks, **found)
