"""What an operator has to report: how many mails and messages came to which end, by day and domain. Pure.

No person, no address and no message is in it: domains, codes and numbers only.
"""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import orjson

from bridge.trail.entry import TrailKind

COLUMNS = ("day", "what", "from", "to", "state", "reason", "count")
_CODE = re.compile(r"[a-z0-9_.-]{1,64}")


class TrailTally:
    """Counts rows of a trail, as :func:`bridge.trail.chain.parse_body` gives them."""

    def __init__(self) -> None:
        self._counts: Counter[tuple[str, ...]] = Counter()

    def add(self, row: Mapping[str, Any]) -> None:
        """One more."""
        day = datetime.fromtimestamp(int(row["at"]) / 1000, UTC).date().isoformat()
        details = row["details"] or {}
        ends = (str(details.get("from", "")), str(details.get("to", "")))
        what = str(row["kind"])
        if what == TrailKind.MESSAGE:
            what = "mail" if any(end.partition(":")[0] == "mail" for end in ends) else "message"
        else:
            ends = ("", "")
        self._counts[day, what, *ends, _code(row["result"]), _code(details.get("reason"))] += 1

    def rows(self) -> list[dict[str, str | int]]:
        """In the order of their days."""
        return [dict(zip(COLUMNS, (*key, n), strict=True)) for key, n in sorted(self._counts.items())]

    def as_csv(self) -> str:
        """With the names of the columns in the first line."""
        out = io.StringIO()
        writer = csv.DictWriter(out, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(self.rows())
        return out.getvalue()

    def as_json(self) -> str:
        """A list of objects."""
        return orjson.dumps(self.rows(), option=orjson.OPT_INDENT_2).decode() + "\n"


def _code(text: object) -> str:
    """A code; what is none is not told."""
    if text is None:
        return ""
    return str(text) if _CODE.fullmatch(str(text)) else "other"
