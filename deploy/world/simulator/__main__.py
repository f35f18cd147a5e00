"""Runs one simulated product: ``python -m deploy.world.simulator --help``."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from aiohttp import web

from deploy.world.simulator.product import Simulator
from deploy.world.simulator.web import application


def main() -> None:
    """Serve until a signal comes."""
    parser = argparse.ArgumentParser(prog="python -m deploy.world.simulator", description="A simulated chat product.")
    parser.add_argument("--name", required=True, help="the product's name in the hub's configuration")
    parser.add_argument("--port", required=True, type=int)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--hub", help="http://host:port of the hub")
    parser.add_argument("--token", default=os.environ.get("SIMULATOR_TOKEN"), help="or $SIMULATOR_TOKEN")
    parser.add_argument("--secret", action="append", help="whsec_…, may be given twice, or $SIMULATOR_SECRET")
    parser.add_argument("--state", type=Path, help="SQLite file; without it nothing is kept")
    parser.add_argument("--test-token", default=os.environ.get("SIMULATOR_TEST_TOKEN", ""), help="of the test driver")
    given = parser.parse_args()
    secrets = given.secret or os.environ.get("SIMULATOR_SECRET", "").split()
    if given.test_token and not (given.token and secrets):  # its test driver will say both
        given.hub, given.token, secrets = given.hub or "http://127.0.0.1:9", "none", ["whsec_" + "AAAA" * 8]
    if not given.token or not secrets or not given.hub:
        parser.error("--hub, a token and a secret are needed")
    simulator = Simulator(given.name, given.hub, given.token, secrets, state=given.state)
    web.run_app(application(simulator, given.test_token), host=given.host, port=given.port, access_log=None, print=None)


if __name__ == "__main__":
    main()
