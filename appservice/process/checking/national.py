"""The national directory: whether anything is loaded, for this program's search, and how old its files are."""

from __future__ import annotations

from datetime import UTC, datetime

from appservice.process.checking.findings import Finding, bad, good, remark
from bridge.config import DirectorySettings
from bridge.errors import Unavailable
from bridge.people.national.kept.kept_loads import loads_of
from bridge.people.national.status import LoadStatus, status_of

_AGAIN = "import the files of today: liaison directory import FILE…"


async def findings(settings: DirectorySettings, url: str) -> list[Finding]:
    """Nothing for a hub with a CSV file. A running hub is not disturbed."""
    if settings.kind != "national":
        return []
    found = []
    if settings.folder is None and not url.startswith("sqlite:///"):
        found.append(bad("directory.folder: is missing: an import sorts there", "name a folder of the hub's user"))
    try:
        loads = loads_of(url)
        try:
            status = await status_of(loads)
        finally:
            await loads.close()
    except (Unavailable, OSError, ValueError):
        return [*found, bad("directory: its tables cannot be read", "look at database.url and the rights of its user")]
    if status is None:
        return [*found, bad("directory: nothing is loaded: nobody is found", _AGAIN)]
    return [*found, *_loaded(status, settings)]


def _loaded(status: LoadStatus, settings: DirectorySettings) -> list[Finding]:
    age = status.age(datetime.now(UTC))
    what = f"directory: {status.tally.people} entries, of {age / 3600:.0f} hours ago"
    if age > settings.stale_after:
        found = bad(what, _AGAIN)
    elif age > settings.warn_after:
        found = remark(what, "look at the download of the files")
    else:
        found = good(what)
    if status.outdated:
        return [found, remark("directory: its index is of another version: searches miss what is new", _AGAIN)]
    return [found]
