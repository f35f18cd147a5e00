"""``python -m deploy.world.annuaire FOLDER [--people N] [--boxes N] [--seed N] [--day N]``: the files of a day."""

from __future__ import annotations

import argparse
from pathlib import Path

from deploy.world.annuaire.files import Country, write


def main() -> None:
    """Write what was asked for."""
    parser = argparse.ArgumentParser(
        prog="python -m deploy.world.annuaire", description="A made-up national directory."
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--people", type=int, default=2_000_000)
    parser.add_argument("--boxes", type=int, default=540_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--day", type=int, default=0)
    asked = parser.parse_args()
    for path in write(asked.folder, Country(asked.people, asked.boxes, asked.seed), asked.day):
        print(path)


if __name__ == "__main__":
    main()
