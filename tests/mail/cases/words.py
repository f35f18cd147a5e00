"""Every word of a mail's text parts, read by another reader (the standard library's), and whether a person gets it."""

from __future__ import annotations

import binascii
import email
import random
import re
from collections.abc import Iterator
from email.errors import MissingHeaderBodySeparatorDefect
from email.message import Message
from html.parser import HTMLParser

from bridge.errors import Refused
from bridge.model import File
from bridge.networks.mail.leg.contents import content
from bridge.networks.mail.mime.charsets import readable, visible
from bridge.networks.mail.mime.mail import parse

ORIGINAL = "message-original.eml"
_NO_WORDS = {"script", "style", "head", "title"}
_INLINE = {"html", "body", "b", "i", "u", "s", "a", "strong", "em", "font", "x"}  # no space around these
_CHARSETS = ("utf-8", "cp1252", "mac_roman", "utf-7", "utf-16")
PIECES = [
    b"\r\n", b"\r\n\r\n", b"--", b"=\r\n", b"=3D", b"&eacute;", b"\xe9", b"\xc3\xa9", b"<p>", b"</div>", b"<!--",
    b"<blockquote type=cite>", b"> ", b"\r\n> \r\n", b"Le 12/03/2026 a 9:30, Anna <a@b.fr> a ecrit :\r\n",
    b"Content-Type: text/html\r\n", b"Content-Type: text/markdown; charset=utf-7\r\n", b"<div hidden>Cache</div>",
    b"Content-Transfer-Encoding: base64\r\n", b"Content-Transfer-Encoding: 8bit\r\n", b"\r\n-- \r\nDr Martin\r\n",
    b"<span style='display:none'>invisible</span>", b"De : Anna\r\nEnvoy\xc3\xa9 : lundi 2 mars 2026 09:30\r\n",
    b"Content-Disposition: inline; filename=x.txt\r\n", b"Potassium 6,8", b"</html>", b"<table><tr><td>12,5</td></tr>",
]  # fmt: skip


def words(text: str) -> set[str]:
    """The words, alike."""
    return {word for word in re.findall(r"[^\W_]+", visible(readable(text)).casefold()) if len(word) > 1}


class _Words(HTMLParser):
    """What stands between the tags, hidden or not; scripts, styles and heads are no words."""

    def __init__(self) -> None:
        super().__init__()
        self.said: list[str] = []
        self._silent = 0

    def handle_starttag(self, tag: str, _: object) -> None:
        self._silent += tag in _NO_WORDS
        self.said += [" "] if tag not in _INLINE else []

    def handle_endtag(self, tag: str) -> None:
        self._silent = max(0, self._silent - (tag in _NO_WORDS))
        self.said += [" "] if tag not in _INLINE else []

    def handle_data(self, data: str) -> None:
        self.said += [] if self._silent else [data]


def of_html(html: str) -> set[str]:
    """The words that HTML has for people."""
    reader = _Words()
    reader.feed(html)
    reader.close()
    return words("".join(reader.said))


def written(raw: bytes) -> set[str]:
    """Every word of every text part."""
    found: set[str] = set()
    for part in _texts(email.message_from_bytes(raw)):
        text = _decoded(_data(part), str(part.get_content_charset() or ""))
        found |= of_html(text) if part.get_content_type() == "text/html" else words(text)
    return found


def _data(part: Message) -> bytes:
    if str(part["content-transfer-encoding"]).strip("; ") == "base64" and " " not in str(part.get_payload()).strip():
        letters = re.sub(r"[^A-Za-z0-9+/]", "", str(part.get_payload()))
        return binascii.a2b_base64(letters[: len(letters) - (len(letters) % 4 == 1)] + "==")
    data = part.get_payload(decode=True)
    return data if isinstance(data, bytes) else b""


def _texts(mail: Message) -> Iterator[Message]:
    """The text parts; those of a mail in a mail are its own."""
    if mail.is_multipart() and mail.get_content_maintype() == "multipart":
        for part in mail.get_payload():
            if isinstance(part, Message):
                yield from _texts(part)
    elif any(isinstance(defect, MissingHeaderBodySeparatorDefect) for defect in mail.defects):
        return  # the header ends where each reader likes
    elif mail.get_content_maintype() == "text" and mail.get_content_subtype() != "rfc822-headers":
        yield mail


def _decoded(data: bytes, label: str) -> str:
    for charset in (label, "utf-8", "cp1252"):
        try:
            return data.decode(charset)
        except (UnicodeError, LookupError, ValueError):
            continue
    return data.decode("latin-1")


def lost(raw: bytes) -> set[str] | None:
    """The words that nobody gets; None for a mail that is not taken, or has its original beside it."""
    try:
        body = content(parse(raw), raw).under("")
    except Refused:
        return None
    if any(file.name == ORIGINAL for file in body.files):
        return None
    shown = words(body.text) | of_html(body.html or "") | _in_files(body.files)
    whole = " ".join(shown)  # a tag within a word parts it for some readers
    return {word for word in written(raw) if word not in whole}


def _in_files(files: tuple[File, ...]) -> set[str]:
    """A file has the bytes that came: it may be in any charset."""
    said = "\n".join(file.data.decode(charset, "replace") for file in files for charset in _CHARSETS)
    return words(said) | words("\n".join(file.name for file in files))


def mutated(raw: bytes, chance: random.Random) -> bytes:
    """The mail with a few things wrong: pieces put in, stretches doubled, taken out or moved."""
    for _ in range(chance.randint(1, 4)):
        body = raw.find(b"\r\n\r\n") if chance.randrange(4) else 0  # mostly after the header
        at, size = chance.randrange(max(0, body), len(raw) + 1), chance.choice((1, 5, 30, 200))
        stretch = raw[at : at + size]
        match chance.randrange(5):
            case 0:
                raw = raw[:at] + raw[at + size :]
            case 1:
                raw = raw[:at] + stretch + raw[at:]
            case 2:
                to = chance.randrange(len(raw) + 1)
                raw = raw[:to] + stretch + raw[to:]
            case _:
                line = raw.find(b"\r\n", at) + 2
                raw = raw[:line] + chance.choice(PIECES) + raw[line:]
    return raw
