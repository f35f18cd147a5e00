"""The national directory: an import's time and memory, a day without news, and searches while the next import runs.

``LIAISON_DIRECTORY_PEOPLE`` sets the size; at 2,000,000 (with 540,000 mailboxes) it takes half an hour on two cores.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from random import Random

from bridge.people.national.kept.kept_loads import loads_of
from bridge.people.national.national import National
from deploy.bench import child
from deploy.world.annuaire.files import Country, write
from deploy.world.postgres import Postgres
from deploy.world.synapse import ROOT

_WHOLE = 2_000_000
_PEOPLE = int(os.environ.get("LIAISON_DIRECTORY_PEOPLE", "100000"))
_BOXES = 0.27  # mailboxes for each person
_QUICK = 2_000
_SEARCHES = 400
_WAIT = 0.02  # s between two searches: the import has its turn
_QUERIES = (
    "martin", "dr martin", "marie martin", "martin bordeaux", "dr martin bordeaux cardio", "infirmier",
    "infirmier paris", "cardiologue lyon", "pharmacie durand", "bernard jean", "jean bernard", "dupont cardiologie",
    "sage femme grenoble", "le goff rennes", "d'almeida", "kine marseille", "martni", "bernrad lille",
    "durnad pediatre", "petit 75015", "generaliste 33", "chu bordeaux", "secretariat medical", "urgences ch",
    "radiologie nantes", "mar", "moreau j", "dr robert psychiatre toulouse", "de la tour",
    "thomas kinesitherapeute nice",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Import:
    """What one cost: seconds, and MiB at most."""

    seconds: float
    mib: float


async def measure(folder: Path, quick: bool) -> dict[str, float]:
    """On both databases, one after the other."""
    people = _QUICK if quick else _PEOPLE
    country = Country(people, int(people * _BOXES))
    today, tomorrow = [await asyncio.to_thread(write, folder / "files", country, day) for day in (0, 1)]
    found = {"directory_people": float(people)}
    async with AsyncExitStack() as stack:
        server = Postgres(durable=True)
        await server.start()
        stack.push_async_callback(server.stop)
        databases = {"sqlite": f"sqlite:///{folder}/sqlite/hub.db", "postgres": await server.create_database()}
        for name, url in databases.items():
            config = _config(folder / name, url)
            first = await _imported(config, today)
            same = await _imported(config, today)
            found |= {f"directory_import_{name}_s": first.seconds, f"directory_import_{name}_mib": first.mib}
            found[f"directory_unchanged_{name}_s"] = same.seconds
            found |= {
                f"directory_search_{name}_{key}": v for key, v in (await _searched(config, url, tomorrow)).items()
            }
    return found | _worst(found, people)


def _worst(found: dict[str, float], people: int) -> dict[str, float]:
    """The figures that have targets: those of the slower database."""
    whole = {"directory_import_2m_s": "import_{}_s"} if people >= _WHOLE else {}
    asked = whole | {"directory_import_mib": "import_{}_mib", "directory_unchanged_s": "unchanged_{}_s"}
    asked["directory_search_p95_ms"] = "search_{}_p95_ms"
    return {
        name: max(found[f"directory_{one.format(engine)}"] for engine in ("sqlite", "postgres"))
        for name, one in asked.items()
    }


def _config(folder: Path, url: str) -> Path:
    folder.mkdir(parents=True)
    path = folder / "hub.yaml"
    settings = {
        "database": {"url": url}, "seal": {"active": "1", "keys": {"1": "env:NONE"}}, "matrix": {},
        "directory": {"kind": "national", "folder": str(folder / "work")},
    }  # fmt: skip
    path.write_text(json.dumps(settings))
    return path


async def _start(config: Path, paths: Sequence[Path]) -> asyncio.subprocess.Process:
    command = [sys.executable, "-m", "appservice", "directory", "-c", str(config), "import", *map(str, paths)]
    return await asyncio.create_subprocess_exec(
        *command, cwd=ROOT, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL
    )


async def _imported(config: Path, paths: Sequence[Path]) -> _Import:
    """An import by the command that operators use."""
    began, most = time.perf_counter(), 0
    process = await _start(config, paths)
    ended = asyncio.create_task(process.wait())
    while not ended.done():
        most = max(most, _rss(process.pid))
        await asyncio.wait([ended], timeout=0.2)
    if ended.result():
        raise RuntimeError("the import failed")
    return _Import(time.perf_counter() - began, most / 1024)


def _rss(pid: int) -> int:
    try:
        return child.rss_kib(pid)
    except OSError:  # it has just ended
        return 0


async def _searched(config: Path, url: str, paths: Sequence[Path]) -> dict[str, float]:
    """Searches, each another one, while the next day is imported; that import is left half-way."""
    national = National(loads_of(url))
    random, took = Random(7), list[float]()
    await national.search("warm", 1)
    process = await _start(config, paths)
    ended = asyncio.create_task(process.wait())
    while len(took) < _SEARCHES and (len(took) < len(_QUERIES) or not ended.done()):
        began = time.perf_counter()
        await national.search(_QUERIES[random.randrange(len(_QUERIES))], 20)
        took.append((time.perf_counter() - began) * 1000)
        await asyncio.sleep(_WAIT)
    if not ended.done():
        process.kill()
    await ended
    await national.close()
    took.sort()
    return {"p50_ms": took[len(took) // 2], "p95_ms": took[int(len(took) * 0.95)], "max_ms": took[-1]}
