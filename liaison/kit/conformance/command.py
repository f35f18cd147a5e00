"""``liaison conformance``: judge a product's integration; the exit status is 0 when nothing has to be mended."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from pathlib import Path

from liaison.kit.conformance import printing
from liaison.kit.conformance.driver import DriverError
from liaison.kit.conformance.judge import failed
from liaison.kit.conformance.run import SCENARIOS, Against, judged
from liaison.kit.conformance.trial import Limits

_TOKEN = "LIAISON_TEST_TOKEN"  # noqa: S105 - its name


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What a vendor says."""
    parser.add_argument(
        "--url", required=True, help="the product's test driver, as https://product.example/liaison-test"
    )
    parser.add_argument("--token", default=os.environ.get(_TOKEN), help=f"of the test driver, or ${_TOKEN}")
    parser.add_argument("--listen", default="127.0.0.1", help="where the kit's hub listens (default: 127.0.0.1)")
    parser.add_argument("--port", type=int, default=0, help="its port (default: a free one)")
    parser.add_argument("--public", default="", help="its address as the product sees it, if that is another one")
    parser.add_argument(
        "--only", action="append", choices=list(SCENARIOS), default=[], help="this scenario; repeatable"
    )
    parser.add_argument("--junit", type=Path, metavar="FILE", help="write JUnit XML")
    parser.add_argument("--html", type=Path, metavar="FILE", help="write a page")
    parser.add_argument("--language", choices=["fr", "en"], default="fr")
    parser.add_argument("--patience", type=float, default=Limits().patience, help="s for what the product has to do")
    parser.add_argument("--answer", type=float, default=Limits().answer, help="s for the answer to a webhook")


async def main(asked: argparse.Namespace) -> int:
    """Run, print, write; gives the exit status (1: something has to be mended, 2: it could not be judged)."""
    if not asked.token:
        print(f"conformance: --token or ${_TOKEN} is needed", file=sys.stderr)
        return 2
    logging.getLogger().addHandler(logging.NullHandler())  # what goes wrong is a line of the report
    against = Against(asked.url, asked.token, asked.listen, asked.port, asked.public.rstrip("/"))
    limits = Limits(patience=asked.patience, answer=asked.answer)
    terminal = sys.stdout.isatty()

    def told(scenario: str) -> None:
        if terminal:
            print(f"… {scenario}", end="\x1b[K\r", flush=True)

    try:
        lines = await judged(against, limits, asked.only, told)
    except (DriverError, OSError) as problem:
        print(f"conformance: {problem}", file=sys.stderr)
        return 2
    print(printing.text(lines, asked.language, colour=terminal), end="")
    if asked.junit:
        asked.junit.write_text(printing.junit(lines, asked.language), "utf-8")
    if asked.html:
        asked.html.write_text(printing.page(lines, asked.language), "utf-8")
    return 1 if failed(lines) else 0
