"""What a room shows of a document: a short readable card, French first. Pure."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from bridge.model import File

MOST_HTML = 200_000  # characters of one card
MOST_NAME = 120  # characters of a file name

# control characters, zero-width ones and those that turn the writing direction (Unicode TR 36)
_HIDDEN = re.compile("[\x00-\x1f\x7f-\x9f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb]")
_FORBIDDEN = re.compile(r'[\\/:*?"<>|]')
_MIME = re.compile(r"[a-z0-9][a-z0-9.+-]{0,60}/[a-z0-9][a-z0-9.+-]{0,80}")


@dataclass(frozen=True, slots=True)
class Card:
    """A document as a room shows it; it may speak of a patient, so nothing of it is in a repr.

    ``text`` is complete without ``html`` (a client without HTML shows it); ``html`` still goes through the mail leg's
    cleaner. ``files`` are what the document carried inside.
    """

    title: str = field(repr=False)
    text: str = field(repr=False)
    html: str = field(repr=False)
    files: tuple[File, ...] = field(default=(), repr=False)


def line(text: str, most: int = 300) -> str:
    """``text`` on one line, without hidden characters, at most ``most`` characters."""
    flat = " ".join(_HIDDEN.sub(" ", text[: most * 20]).split())
    return flat if len(flat) <= most else flat[: most - 1] + "…"


def file_name(name: str, default: str = "document") -> str:
    """A name without folders, hidden characters and what file systems forbid; the ending survives a cut."""
    last = re.split(r"[\\/]", name[-4096:])[-1]
    clean = " ".join(_FORBIDDEN.sub("_", _HIDDEN.sub("", last)).split()).strip(". ")
    clean = clean or default
    if len(clean) <= MOST_NAME:
        return clean
    stem, dot, end = clean.rpartition(".")
    return clean[:MOST_NAME] if not dot or len(end) > 8 else f"{stem[: MOST_NAME - len(end) - 1]}.{end}"


def mime_type(mime: str) -> str:
    """``mime`` in lower case without parameters; what is no MIME type becomes ``application/octet-stream``."""
    bare = mime[:200].partition(";")[0].strip().lower()
    return bare if _MIME.fullmatch(bare) else "application/octet-stream"


def escape(text: str) -> str:
    """``text`` for HTML, hidden characters gone, line breaks kept as ``<br>``."""
    lines = re.split(r"\r\n|\r|\n", text)
    return "<br>".join(html.escape(_HIDDEN.sub("", one.replace("\t", " "))) for one in lines)


def facts(pairs: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """The pairs (label, value) that have a value, each on one line."""
    return [(label, short) for label, value in pairs if (short := line(value))]


def card(
    title: str, pairs: Sequence[tuple[str, str]], body_text: str = "", body_html: str = "", marks: Sequence[str] = ()
) -> Card:
    """A card: the title, one line per fact, then the body; an over-long HTML body gives way to the text.

    ``marks`` are what must not be overlooked (values out of range): lines above the body, also where that is too long.
    """
    title, known = line(title, 200), facts(pairs)
    text = "\n".join([title, *(f"{label} : {value}" for label, value in known), *marks])
    head = f"<p><strong>{escape(title)}</strong>"
    head += "".join(f"<br>{escape(label)} : {escape(value)}" for label, value in known)
    head += "".join(f"<br><strong>{escape(one)}</strong>" for one in marks) + "</p>"
    body_html = body_html or (f"<p>{escape(body_text)}</p>" if body_text else "")
    if len(head) + len(body_html) > MOST_HTML:
        body_html = "<p>Trop long pour être affiché : ouvrez le document joint. / Too long to show: open the file.</p>"
    shown = body_text if len(body_text) <= MOST_HTML else body_text[:MOST_HTML] + "…"
    return Card(title, f"{text}\n\n{shown}".strip(), head + body_html)
