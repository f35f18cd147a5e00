"""A whole request with its answer for each operation, as a hub has answered it: the tests execute them in this order.

``python -m tests.connect.contract`` has a hub answer them anew and writes the answers down.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import orjson

PLACE = Path(__file__).parent / "examples.json"


@dataclass(frozen=True, slots=True)
class Example:
    """``id`` stands in the path; ``answer`` is None where there is none, a string where it is no JSON."""

    operation: str
    id: str | None = None
    person: str | None = None  # in the path, too
    query: dict[str, str] = field(default_factory=dict)
    body: dict[str, Any] | None = field(default=None, repr=False)
    raw: str | None = field(default=None, repr=False)  # a body that is a file
    headers: dict[str, str] = field(default_factory=dict)
    answer: Any = field(default=None, repr=False)


@cache
def examples() -> dict[str, Example]:
    """All of them by operation, in the order in which they make a story."""
    return {one["operation"]: Example(**one) for one in orjson.loads(PLACE.read_bytes())}
