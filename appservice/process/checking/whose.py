"""Whether the homeserver knows this hub with another database: an empty one is a mistyped path, or a new hub."""

from __future__ import annotations

from appservice.client.homeserver import Homeserver
from appservice.process.checking.findings import Finding, bad
from appservice.process.life import lives, own_user
from appservice.process.settings import MatrixSettings
from bridge.db.looking import Looked
from bridge.errors import Refused, Unavailable

_ANSWER = 5.0  # s


async def findings(settings: MatrixSettings, seen: Looked) -> list[Finding]:
    """What a start would refuse; nothing where either side cannot be asked (that was said)."""
    if seen.troubles:
        return []
    try:
        async with Homeserver(settings.url, settings.read_as_token(), timeout=_ANSWER) as homeserver:
            known = await lives(homeserver, await own_user(homeserver))
    except (Refused, Unavailable):
        return []
    if known is None or known.hub == seen.hub:
        return []
    ours = "this one is empty" if seen.hub is None else "this one is of another hub"
    mend = "correct the address (a mistyped path, SQLite for PostgreSQL); only to begin anew: `liaison adopt`, once"
    return [bad(f"database.url: the homeserver knows this hub with another database, and {ours}", mend)]
