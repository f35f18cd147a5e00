"""Named profiles of products: what each is called and can carry, unless the configuration says otherwise.

None of these vendors publishes an API (as of 2026), so a profile is not an adapter: it only gives a name and limits to
the one open API that they would implement. What a product really carries is to be agreed with its vendor.
"""

from __future__ import annotations

from dataclasses import dataclass

from bridge.capabilities import MAX_TEXT
from bridge.connector import Capabilities

MAX_FILES = 25_000_000  # of one message: what mailboxes take, too


@dataclass(frozen=True, slots=True)
class Profile:
    """The defaults of one product."""

    label: str
    capabilities: Capabilities


_PLAIN = Capabilities(html=False, threads=False, max_text=MAX_TEXT, files=True, max_files=MAX_FILES, urgent=True)

PROFILES = {
    "pandalab": Profile("PandaLab", _PLAIN),
    "siilo": Profile("Siilo", _PLAIN),
    "arcad": Profile("Arcad", _PLAIN),
    "medipeps": Profile("Medipeps", _PLAIN),
    "generic": Profile(
        "Liaison Connect", Capabilities(max_text=MAX_TEXT, files=True, max_files=MAX_FILES, urgent=True)
    ),
}
