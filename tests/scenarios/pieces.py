"""What the people of the scenarios write: texts with a word of their own each, and small files that differ."""

from __future__ import annotations

import struct
import zlib

from tests.scenarios.ends import Attached

_ACCENTED = "Œdème : à revoir — 37,5 °C, « stable »"
LONG = 1000  # lines: more than a chat product takes at once


def text(token: str, words: tuple[str, ...]) -> tuple[str, str | None]:
    """The text in which a word stands, and its HTML."""
    if "html" in words:
        return f"Dose {token} : 5 mg", f"<p>Dose <strong>{token}</strong> : <em>5 mg</em></p>"
    if "table" in words:
        cells = f"<tr><td>K</td><td>5,9</td><td>{token}</td></tr>"
        return f"K 5,9 {token}", f"<table><tbody>{cells}</tbody></table>"
    if "lines" in words:
        return f"Première ligne {token}\n\n  deuxième, {_ACCENTED}\n> troisième", None
    if "emoji" in words:
        return f"👩🏽‍⚕️🩺 {token} 🇫🇷", None
    if "bidi" in words:
        return f"{token} \u202eenvers", None
    if "link" in words:
        return f"{token} https://example.org/a?b=c&d=%C3%A9#f", None
    if "long" in words:
        return f"{token} début\n" + "Une ligne parmi beaucoup d'autres.\n" * LONG + f"fin {token}", None
    return f"{_ACCENTED} {token}", None


def file(kind: str, token: str) -> Attached:
    """A small file that is no other one."""
    makers = {"png": _png, "pdf": _pdf, "audio": _wav, "video": _mp4, "bin": _bytes}
    mime = {"png": "image/png", "pdf": "application/pdf", "audio": "audio/wav", "video": "video/mp4"}
    ending = {"audio": "wav", "video": "mp4"}.get(kind, kind)
    name = f"{token[:-1]}.{ending}"  # the word itself stands in texts only
    return Attached(name, mime.get(kind, "application/octet-stream"), makers[kind](token.encode()))


def _png(seed: bytes) -> bytes:
    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    colours = (seed * 48)[:48]
    rows = b"".join(b"\0" + colours[n * 12 : n * 12 + 12] for n in range(4))
    header = struct.pack(">IIBBBBB", 4, 4, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def _pdf(seed: bytes) -> bytes:
    pages = b"1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj 2 0 obj<</Type/Pages/Count 0/Kids[]>>endobj\n"
    return b"%PDF-1.4\n%" + seed + b"\n" + pages + b"trailer<</Root 1 0 R>>\n%%EOF\n"


def _wav(seed: bytes) -> bytes:
    sound = (seed * 400)[:3200]
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, 8000, 8000, 1, 8)
    head = struct.pack("<4sI4s", b"RIFF", 36 + len(sound), b"WAVE") + form + struct.pack("<4sI", b"data", len(sound))
    return head + sound


def _mp4(seed: bytes) -> bytes:
    return struct.pack(">I", 24) + b"ftypisom\0\0\2\0isommp42" + struct.pack(">I", 8 + len(seed)) + b"mdat" + seed


def _bytes(seed: bytes) -> bytes:
    return bytes(range(256)) + seed


def card(token: str) -> Attached:
    """Somebody's card (RFC 6350)."""
    lines = ("BEGIN:VCARD", "VERSION:4.0", f"FN:Cléo Petit {token}", "TEL;TYPE=work:+33123456789", "END:VCARD")
    return Attached(f"{token[:-1]}.vcf", "text/vcard", "".join(f"{line}\r\n" for line in lines).encode())
