"""Named profiles of products: what each is called and can carry, unless the configuration says otherwise.

None of these vendors publishes an API (as of 2026), so a profile is not an adapter: it only gives a name and limits to
the one open API that they would implement. What a product really carries is to be agreed with its vendor.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from bridge.capabilities import MAX_TEXT
from bridge.connector import Capabilities

MAX_FILES = 25_000_000  # bytes of one message, where files travel in it: what mailboxes take, too
MAX_BY_URL = 2_000_000_000  # the same where they are uploaded, and fetched, by themselves
BY_URL = 100_000_000  # of these, unless the configuration says otherwise


def in_bounds(able: Capabilities) -> Capabilities:
    """What travels in a message has to fit into memory."""
    return able if able.files_by_url else replace(able, max_files=min(able.max_files, MAX_FILES))


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
