"""``python -m deploy.demo [story|up] [--once] [--state DIR]``: a whole world on this machine."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path


def main() -> int:
    """Run what was asked for; gives the exit status."""
    parser = argparse.ArgumentParser("python -m deploy.demo", description="Homeservers, hub, products and clients.")
    parser.add_argument("what", nargs="?", choices=["story", "up"], default="story")
    parser.add_argument("--once", action="store_true", help="end after the story")
    parser.add_argument("--state", type=Path, help="where `up` keeps its state and writes endpoints.json")
    asked = parser.parse_args()
    try:
        from deploy.demo import main as demo
    except ModuleNotFoundError as missing:
        print(f"the demo runs in a source checkout after `make setup` ({missing.name} is missing)", file=sys.stderr)
        return 2
    try:
        return demo.main(asked.what, once=asked.once, state=asked.state)
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
