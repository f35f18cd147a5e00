"""The operator's console: pages that show what the commands show, and do what they do, for whoever logs in."""

from pathlib import Path

from bridge.db import Component

COMPONENT = Component("console", Path(__file__).parent / "sql")
"""Who is logged in: rows, so that every process of the hub knows a session."""
