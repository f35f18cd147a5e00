"""What cleaning HTML may cost. Pure.

An HTML5 parser opens every formatting element that was left open again in each block, attributes and all (WHATWG HTML,
"Reconstruct the active formatting elements"): 40 KB of it become 100 MB. So tags, formatting elements and length are
bounded together before anything is parsed; at these bounds cleaning takes some hundredths of a second.
"""

from __future__ import annotations

import re

MOST_TAGS = 2_000  # the time to clean grows with the square of what is nested
_MOST_OPENED = 50_000  # tags × formatting elements: how many may be opened again
_MOST_COPIED = 8_000_000  # tags × characters: how much text of attributes may be copied
_FORMATTING = re.compile(
    r"<(?:a|b|big|code|em|font|i|nobr|s|small|strike|strong|tt|u)(?![a-z0-9])", re.IGNORECASE
)  # fmt: skip


def cheap(html: str) -> bool:
    """Whether this HTML is cleaned in good time, whatever it holds. Dear HTML is left out: the text says it, too."""
    tags = html.count("<")
    if tags > MOST_TAGS:
        return False
    formatting = len(_FORMATTING.findall(html))
    return not formatting or (tags * formatting <= _MOST_OPENED and tags * len(html) <= _MOST_COPIED)
