"""HL7 times as people read them. Pure."""

from __future__ import annotations

import re

from bridge.networks.mail.documents.card import line

_TIME = re.compile(r"(\d{4})(\d{2})?(\d{2})?(?:(\d{2})(\d{2}))?")


def readable_time(value: str) -> str:
    """``20240106113623+100`` as ``06/01/2024 11:36`` (local time of the writer); odd values as they are."""
    found = _TIME.match(value)
    if found is None:
        return line(value, 30)
    day = "/".join(part for part in (found[3], found[2], found[1]) if part)
    return f"{day} {found[4]}:{found[5]}" if found[4] and found[3] else day
