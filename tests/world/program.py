"""A program for tests/world/test_forking.py: says how it was started, then does what its first argument says."""

import json
import os
import sys
import time


def main() -> int:
    """The exit status is the first argument; without one it stays."""
    print(json.dumps({"args": sys.argv[1:], "cwd": os.getcwd(), "word": os.environ.get("WORD")}), flush=True)
    if len(sys.argv) > 1:
        return int(sys.argv[1])
    time.sleep(60)
    return 0
