"""Names and bytes of attachments: safe to show and to keep, whatever the sender wrote. Pure."""

from __future__ import annotations

import binascii
import quopri
import re
import unicodedata

from bridge.networks.mail.mime.charsets import one_line

MOST_NAME = 180  # bytes of UTF-8: file systems take 255
_RESERVED = re.compile(r"(?i)(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?")
_FORBIDDEN = re.compile(r"[<>:\"|?*\x00-\x1f]")
_EXTENSIONS = {
    "application/dicom": ".dcm",
    "application/pdf": ".pdf",
    "application/rtf": ".rtf",
    "application/zip": ".zip",
    "application/x-zip-compressed": ".zip",
    "application/xml": ".xml",
    "application/ms-tnef": ".dat",
    "application/pkcs7-mime": ".p7m",
    "application/x-pkcs7-mime": ".p7m",
    "application/pkcs7-signature": ".p7s",
    "application/x-pkcs7-signature": ".p7s",
    "application/pgp-signature": ".asc",
    "application/vnd.ms-outlook": ".msg",
    "image/bmp": ".bmp",
    "image/gif": ".gif",
    "image/jpeg": ".jpg",
    "image/png": ".png",
    "image/svg+xml": ".svg",
    "image/tiff": ".tif",
    "image/webp": ".webp",
    "message/rfc822": ".eml",
    "message/global": ".eml",
    "text/calendar": ".ics",
    "text/csv": ".csv",
    "text/html": ".html",
    "text/markdown": ".md",
    "text/plain": ".txt",
    "text/rtf": ".rtf",
    "text/tab-separated-values": ".tsv",
    "text/vcard": ".vcf",
    "text/x-vcard": ".vcf",
    "text/xml": ".xml",
}
_STEMS = {"message": "message", "image": "image", "text/calendar": "invitation", "application/ms-tnef": "winmail"}
_MAGIC = (
    (b"%PDF-", "application/pdf"),
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF8", "image/gif"),
    (b"II*\0", "image/tiff"),
    (b"MM\0*", "image/tiff"),
    (b"{\\rtf", "application/rtf"),
    (b"PK\x03\x04", "application/zip"),
)
_UU_LINE = 200


def safe_name(name: str, mime: str = "application/octet-stream") -> str:
    """A name without path, control, bidi and invisible characters, short enough for every file system; never empty."""
    name = unicodedata.normalize("NFC", one_line(name, 2000)).replace("\\", "/").rpartition("/")[2]
    name = _FORBIDDEN.sub("_", name).strip(". ")
    if not name:
        stem = _STEMS.get(mime) or _STEMS.get(mime.partition("/")[0]) or "document"
        return stem + _EXTENSIONS.get(mime, ".txt" if mime.startswith("text/") else "")
    if _RESERVED.fullmatch(name):
        name = f"_{name}"
    return _shortened(name)


def _shortened(name: str) -> str:
    if len(name.encode()) <= MOST_NAME:
        return name
    stem, dot, extension = name.rpartition(".")
    if not dot or len(extension) > 10:
        stem, dot, extension = name, "", ""
    room = MOST_NAME - len((dot + extension).encode())
    return stem.encode()[:room].decode(errors="ignore").rstrip(". ") + dot + extension


def ascii_name(name: str) -> str:
    """The name for clients that know no RFC 2231: ASCII, at most 40 characters, same extension."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    plain = re.sub(r"[^A-Za-z0-9._-]", "_", plain).strip(". ")
    stem, dot, extension = plain.rpartition(".")
    if not dot or not extension.isalnum() or len(extension) > 8:
        stem, extension = plain, ""
    return (stem[: 39 - len(extension)].strip(". ") or "document") + (f".{extension}" if extension else "")


def better_mime(mime: str, data: bytes) -> str:
    """The type that the first bytes say, where the sender only said "bytes"."""
    if mime not in ("application/octet-stream", "application/binary", "application/x-unknown"):
        return mime
    return type_of(data) or "application/octet-stream"


def type_of(data: bytes) -> str | None:
    """The type that the first bytes say beyond doubt, None where they do not."""
    if data[128:132] == b"DICM":  # DICOM PS3.10 §7.1
        return "application/dicom"
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return "image/webp"
    return next((known for magic, known in _MAGIC if data.startswith(magic)), None)


def ending(mime: str) -> str:
    """The usual ending of a type with its dot, ``.bin`` for one that has none here."""
    return _EXTENSIONS.get(mime, ".bin")


def quoted_printable(data: bytes) -> bytes:
    """RFC 2045 §6.7 decoded; what is no escape stays as it is."""
    return quopri.decodestring(data)


def uudecode(data: bytes) -> bytes:
    """What stands between ``begin`` and ``end``; lines that are broken are left out."""
    out: list[bytes] = []
    begun = False
    for line in data.splitlines():
        if not begun:
            begun = re.match(rb"begin [0-7]{3,4} ", line) is not None
        elif line.strip() == b"end":
            break
        elif len(line) <= _UU_LINE:
            out.append(_uu_line(line))
    return b"".join(out)


def _uu_line(line: bytes) -> bytes:
    try:
        return binascii.a2b_uu(line)
    except ValueError:
        # Some programs write more than they announce: the length is in the first character (uuencode(5)).
        length = ((line[0] - 32) & 63) * 4 + 5 if line else 0
    try:
        return binascii.a2b_uu(line[: length // 3])
    except ValueError:
        return b""
