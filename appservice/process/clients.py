"""What Matrix clients are answered about people, put together: search, profiles, an identity server."""

from __future__ import annotations

import time
from collections.abc import Callable

from aiohttp import web

from appservice.client.callers import Callers
from appservice.finding.client_search import ClientSearch
from appservice.finding.hashes import Hashes
from appservice.finding.identity import IdentityServer
from appservice.process.matrix import Matrix
from bridge.people.directory import Directory, ListsMailboxes
from bridge.receiver import Receiver

Routes = Callable[[web.Application], None]


def for_clients(callers: Callers, matrix: Matrix, hub: Receiver, directory: Directory) -> list[Routes]:
    """Their routes. A directory that does not list its mailboxes has no identity server."""
    routes: list[Routes] = [ClientSearch(callers, matrix.finder, matrix.names).routes]
    if isinstance(directory, ListsMailboxes):
        hashes = Hashes(directory.mailboxes, time.monotonic)
        routes.append(IdentityServer(callers, matrix.finder, hub.facts, matrix.names, hashes).routes)
    return routes
