"""The files that products have uploaded, or may fetch: what is known of each, for whom, and until when."""

from pathlib import Path

from bridge.db import Component

COMPONENT = Component("shelf", Path(__file__).parent / "sql")
