"""``python -m appservice``: the command `liaison`."""

import sys

from appservice.process.command import main

if __name__ == "__main__":
    sys.exit(main())
