"""Whether the reverse proxy sends to the hub what clients ask about people."""

from __future__ import annotations

import aiohttp

from appservice.finding.answers import MARK
from appservice.process.checking.findings import Finding, bad, good, remark

_PATIENCE = 10.0
_HUB_AWAY = (502, 503, 504)
SEARCH = "/_matrix/client/v3/user_directory/search"


async def findings(public_url: str) -> list[Finding]:
    """Ask as a browser does before it searches: nothing is looked for, and no token is needed."""
    where, url = "clients_listen.public_url", public_url.rstrip("/") + SEARCH
    try:
        timeout = aiohttp.ClientTimeout(total=_PATIENCE)
        async with aiohttp.ClientSession(timeout=timeout) as session, session.options(url) as answer:
            status, ours = answer.status, MARK in answer.headers
    except (aiohttp.ClientError, OSError, TimeoutError) as error:
        mend = "look at the name and at the proxy; this machine may reach it in another way than clients do"
        return [remark(f"{where}: {public_url} is not reached from here ({type(error).__name__})", mend)]
    if ours:
        return [good(f"{where}: the search of clients comes to the hub")]
    if status in _HUB_AWAY:
        return [remark(f"{where}: the proxy reaches nobody for {SEARCH} ({status})", "start the hub, then check again")]
    mend = "send it to clients_listen: docs/operating.md, A reverse proxy"
    return [bad(f"{where}: {SEARCH} does not come to the hub, clients do not find the directory", mend)]
