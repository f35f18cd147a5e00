"""``liaison bench grow``: measure how a message's cost grows, write the curves and draw them.

The command `liaison` starts this module as a process of its own: the bench is no part of what an operator installs, it
comes with the source, and the program must not import it.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import shutil
import tempfile
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

from deploy.bench.grow import picture
from deploy.bench.grow.axes import AXES, Axis
from deploy.bench.grow.curves import curve, is_flat
from deploy.bench.grow.measure import Effort
from deploy.world.postgres import Postgres
from deploy.world.synapse import ROOT

ENGINES = ("sqlite", "postgresql")
Found = dict[str, dict[str, list[dict[str, Any]]]]
"""By engine and axis."""


def main() -> None:
    """Measure what was asked for; what was measured before of the rest stays."""
    about = "Measure how a message's cost grows with everything of which a hub may have much."
    parser = argparse.ArgumentParser(prog="liaison bench grow", description=about)
    parser.add_argument("--only", choices=AXES, action="append", help="one axis; may be given more than once")
    parser.add_argument("--engine", choices=ENGINES, default="sqlite", help="default: sqlite")
    parser.add_argument("--up-to", type=int, help="leave out larger sizes")
    parser.add_argument(
        "--rounds", type=int, default=Effort().rounds, help="rounds at each size (default: %(default)s)"
    )
    parser.add_argument("--quick", action="store_true", help="only show that it works: the figures mean nothing")
    parser.add_argument("--folder", type=Path, help="where databases may grow to several GB (default: /tmp)")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "scale", help="where the curves are written")
    asked = parser.parse_args()
    logging.basicConfig(level=logging.ERROR)
    folder = Path(tempfile.mkdtemp(prefix="liaison-grow-", dir=asked.folder))
    try:
        asyncio.run(_measure(asked, folder))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


async def _measure(asked: argparse.Namespace, folder: Path) -> None:
    async with AsyncExitStack() as stack:
        urls: list[str | None] = [None, None]
        for name in asked.only or AXES:
            if asked.engine == "postgresql":
                server = Postgres(durable=True)
                await server.start()
                stack.push_async_callback(server.stop)
                urls = [await server.create_database(), await server.create_database()]
            axis = AXES[name]
            sizes = [s for s in (axis.quick if asked.quick else axis.sizes) if s <= (asked.up_to or s)]
            effort = Effort(32, 1, 20)
            if not asked.quick:
                effort = replace(Effort(), messages=axis.messages, rounds=asked.rounds, after=axis.after)
            points = await curve(axis, sizes, folder, urls, effort, lambda text: print(text, flush=True))
            _write(asked.out, asked.engine, axis, points)
            await stack.aclose()


def _write(out: Path, engine: str, axis: Axis, points: list[dict[str, Any]]) -> None:
    out.mkdir(parents=True, exist_ok=True)
    path = out / "curves.json"
    found: Found = json.loads(path.read_text()) if path.exists() else {}
    found.setdefault(engine, {})[axis.name] = points
    path.write_text(json.dumps(found, indent=1, sort_keys=True) + "\n")
    both = {name: found[name][axis.name] for name in ENGINES if axis.name in found.get(name, {})}
    (out / f"{axis.name}.svg").write_text(picture.drawn(f"A hub with ever more: {axis.about}", axis.about, both))
    print(f"{axis.name} ({engine}): {'flat' if is_flat(points) else 'not flat'}", flush=True)


if __name__ == "__main__":
    main()
