"""Whether the reverse proxy sends to the hub what clients ask about people."""

from __future__ import annotations

import aiohttp

from appservice.finding.answers import MARK
from appservice.process.checking.findings import Finding, bad, good, remark
from bridge.config import ClientsListenSettings

_PATIENCE = 10.0
_EVERYWHERE = ("", "0.0.0.0", "::")  # noqa: S104 - where a hub may listen
SEARCH = "/_matrix/client/v3/user_directory/search"


async def findings(where: ClientsListenSettings) -> list[Finding]:
    """Ask as a browser does before it searches: nothing is looked for, and no token is needed.

    A proxy lets the homeserver answer while the hub is away, so nothing can be said before the hub runs.
    """
    option, public = "clients_listen.public_url", (where.public_url or "").rstrip("/")
    host = "127.0.0.1" if where.host in _EVERYWHERE else where.host
    scheme = "http" if where.certificate is None else "https"
    if not await _ours(f"{scheme}://{host}:{where.port}{SEARCH}"):
        return [remark(f"{option}: whether the proxy sends searches to the hub shows when it runs", "check again then")]
    try:
        ours = await _ours(public + SEARCH, strict=True)
    except (aiohttp.ClientError, OSError, TimeoutError) as error:
        mend = "look at the name and at the proxy; this machine may reach it in another way than clients do"
        return [remark(f"{option}: {public} is not reached from here ({type(error).__name__})", mend)]
    if ours:
        return [good(f"{option}: the search of clients comes to the hub")]
    mend = "send it to clients_listen: docs/operating.md, A reverse proxy"
    return [bad(f"{option}: {SEARCH} does not come to the hub, clients do not find the directory", mend)]


async def _ours(url: str, *, strict: bool = False) -> bool:
    """Whether a hub answers; with ``strict`` it is an error if nobody does."""
    try:
        timeout = aiohttp.ClientTimeout(total=_PATIENCE)
        async with aiohttp.ClientSession(timeout=timeout) as session, session.options(url, ssl=strict) as answer:
            return MARK in answer.headers
    except (aiohttp.ClientError, OSError, TimeoutError):
        if strict:
            raise
        return False
