"""What a file is, by its first bytes and not by what somebody calls it. Pure.

A table of our own: of the libraries, puremagic guesses (it knows no MP4 sound and no program), and filetype has had
no release since 2022. A type that nobody vouches for is only believed where its own first bytes would be no sign.
"""

from __future__ import annotations

import re

ENOUGH = 4096  # bytes from the begin of a file that tell its type
UNKNOWN = "application/octet-stream"  # RFC 2046, 4.5.1
PROGRAMS = {
    "application/vnd.microsoft.portable-executable": ".exe",
    "application/x-executable": ".bin",
    "application/x-mach-binary": ".bin",
    "application/x-ms-shortcut": ".lnk",
    "text/x-shellscript": ".sh",
}
_MAGIC: tuple[tuple[int, bytes, str], ...] = (
    (128, b"DICM", "application/dicom"),  # PS3.10, 7.1
    (0, b"\xff\xd8\xff", "image/jpeg"),
    (0, b"\x89PNG\r\n\x1a\n", "image/png"),
    (0, b"GIF87a", "image/gif"),
    (0, b"GIF89a", "image/gif"),
    (0, b"II*\0", "image/tiff"),
    (0, b"MM\0*", "image/tiff"),
    (0, b"%PDF-", "application/pdf"),
    (0, b"{\\rtf", "application/rtf"),
    (0, b"PK\x03\x04", "application/zip"),
    (0, b"PK\x05\x06", "application/zip"),
    (0, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "application/x-ole-storage"),
    (0, b"7z\xbc\xaf\x27\x1c", "application/x-7z-compressed"),
    (0, b"Rar!\x1a\x07", "application/vnd.rar"),
    (0, b"\x1f\x8b\x08", "application/gzip"),
    (0, b"\x1a\x45\xdf\xa3", "video/webm"),
    (0, b"fLaC", "audio/flac"),
    (0, b"ID3", "audio/mpeg"),
    (0, b"#!AMR", "audio/amr"),
    (0, b"caff", "audio/x-caf"),
    (0, b"\x7fELF", "application/x-executable"),
    (0, b"\xfe\xed\xfa\xce", "application/x-mach-binary"),
    (0, b"\xfe\xed\xfa\xcf", "application/x-mach-binary"),
    (0, b"\xce\xfa\xed\xfe", "application/x-mach-binary"),
    (0, b"\xcf\xfa\xed\xfe", "application/x-mach-binary"),
    (0, b"L\0\0\0\x01\x14\x02\0", "application/x-ms-shortcut"),
    (0, b"#!/", "text/x-shellscript"),
    (0, b"BM", "image/bmp"),
)
_RIFF = {b"WEBP": "image/webp", b"WAVE": "audio/wav", b"AVI ": "video/x-msvideo"}
_BRANDS = {
    b"heic": "image/heic", b"heix": "image/heic", b"heim": "image/heic", b"heis": "image/heic", b"hevc": "image/heic",
    b"mif1": "image/heif", b"msf1": "image/heif", b"avif": "image/avif", b"avis": "image/avif",
    b"qt  ": "video/quicktime", b"M4A ": "audio/mp4", b"M4B ": "audio/mp4",
}  # fmt: skip
_SOME_PICTURE = (b"mif1", b"msf1")
_OGG = ((b"OpusHead", "audio/ogg"), (b"\x01vorbis", "audio/ogg"), (b"Speex", "audio/ogg"), (b"\x80theora", "video/ogg"))
_OFFICE = (
    (b"word/", "wordprocessingml.document"),
    (b"xl/", "spreadsheetml.sheet"),
    (b"ppt/", "presentationml.presentation"),
)
_OPEN_DOCUMENT = re.compile(rb"mimetype(application/(?:vnd\.oasis\.opendocument\.[a-z-]+|epub\+zip))")
_TAG = re.compile(rb"<(?:[A-Za-z_][\w.-]*:)?([A-Za-z_][\w.-]*)")
_HTML = re.compile(rb"\s*(?:<!--.*?-->\s*)?<(?:!doctype\s+html|html|head|body|script)\b", re.IGNORECASE | re.DOTALL)
_NO_TEXT = re.compile(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f]")
# What a type may be called besides, or what may be in it: a declared type of the right side is left as it is.
_ALSO = {
    "application/zip": re.compile(
        r"application/(?:x-zip-compressed|vnd\.openxmlformats-|vnd\.ms-|vnd\.oasis\.|epub\+zip|java-archive|vnd\.android\.)"
    ),
    "application/x-ole-storage": re.compile(r"application/(?:msword|vnd\.ms-|vnd\.visio|x-msi|x-ole-storage)"),
    "application/gzip": re.compile(r"application/(?:x-gzip|x-tar|x-gtar)|.*\+gzip"),
    "application/rtf": re.compile(r"text/rtf"),
    "application/xml": re.compile(r"text/xml|application/(?:.*\+xml|cda|hl7)|text/.*\+xml|image/svg\+xml"),
    "application/json": re.compile(r"application/.*\+json|text/json"),
    "audio/mpeg": re.compile(r"audio/(?:mp3|x-mp3|mpeg3|x-mpeg)"),
    "audio/mp4": re.compile(r"audio/(?:m4a|x-m4a|aac)|video/mp4"),
    "audio/ogg": re.compile(r"audio/(?:opus|vorbis|speex|x-.*ogg)|application/ogg"),
    "audio/wav": re.compile(r"audio/(?:x-wav|wave|vnd\.wave|x-pn-wav)"),
    "image/bmp": re.compile(r"image/x-ms-bmp|image/x-bmp"),
    "image/heic": re.compile(r"image/hei[cf](?:-sequence)?"),
    "image/heif": re.compile(r"image/(?:hei[cf](?:-sequence)?|avif)"),
    "image/jpeg": re.compile(r"image/(?:jpg|pjpeg)"),
    "image/png": re.compile(r"image/(?:apng|x-png|vnd\.mozilla\.apng)"),
    "image/tiff": re.compile(r"image/(?:x-adobe-dng|dng|x-.*)"),
    "video/mp4": re.compile(r"video/(?:x-m4v|3gpp2?|mp4|quicktime)|audio/(?:mp4|m4a|x-m4a|3gpp2?)"),
    "video/webm": re.compile(r"audio/webm|(?:video|audio)/x-matroska|application/x-matroska"),
    "video/ogg": re.compile(r"application/ogg"),
    "text/html": re.compile(r"application/xhtml\+xml"),
}
# Types that are what they say only with first bytes of their own. Old DICOM images have none.
_SIGNED = frozenset({mime for _, _, mime in _MAGIC} | set(_RIFF.values()) | set(_BRANDS.values()) | {
    "video/mp4", "audio/ogg", "video/ogg", "application/msword", "application/vnd.ms-excel", "image/jpg",
}) - {"application/dicom", "audio/mpeg", "audio/amr", "image/bmp", "text/x-shellscript"}  # fmt: skip


def type_of(head: bytes) -> str | None:
    """The type that the first bytes of a file (:data:`ENOUGH`, or all there are) say; None: they say none."""
    if head[:4] == b"RIFF" and head[8:12] in _RIFF:
        return _RIFF[head[8:12]]
    if head[4:8] == b"ftyp":
        return _brand(head)
    if head[:5] == b"OggS\0":
        return next((mime for mark, mime in _OGG if mark in head[:512]), "application/ogg")
    if head[:2] == b"MZ" and (len(head) > 63 or b"DOS" in head):
        return "application/vnd.microsoft.portable-executable"
    found = next((mime for at, mark, mime in _MAGIC if head[at : at + len(mark)] == mark), None)
    if found == "application/zip":
        return _zip(head)
    if found == "image/bmp" and not (len(head) > 26 and head[6:10] == bytes(4)):
        found = None
    return found or _frames(head) or _text(head)


def true_type(declared: str, head: bytes) -> str:
    """The type of a file that somebody declares: corrected where the first bytes say something else."""
    declared = declared.partition(";")[0].strip().lower()
    found = type_of(head)
    if declared == "application/pdf" and found in (None, "text/plain") and b"%PDF-" in head[:1024]:
        return declared  # readers take a begin of any kind (ISO 32000-1, annex H.3.4.1)
    if found is None:
        return UNKNOWN if declared in _SIGNED or declared in PROGRAMS or not declared else declared
    if found == declared or (found in _ALSO and _ALSO[found].match(declared)):
        return declared
    if found == "text/plain" and declared not in _SIGNED and declared not in PROGRAMS and declared != UNKNOWN:
        return declared or found  # source, tables, HPRIM, calendars: text is no sign against any of them
    return found


def true_name(name: str, mime: str) -> str:
    """A program that goes by another name says what it is: ``rapport.pdf`` becomes ``rapport.pdf.exe``."""
    ending = PROGRAMS.get(mime)
    if ending is None or (mime == "text/x-shellscript" and "." not in name):
        return name
    own = name.lower().rpartition(".")[2]
    return name if "." + own == ending or own in _OWN.get(ending, ()) else name + ending


_OWN = {
    ".exe": frozenset({"dll", "scr", "com", "sys", "cpl", "ocx", "msi", "efi"}),
    ".bin": frozenset({"so", "o", "elf", "dylib", "run", "appimage"}),
    ".sh": frozenset({"py", "pl", "rb", "bash", "zsh", "ps1", "js", "command"}),
}


def _brand(head: bytes) -> str:
    """ISO 14496-12, 4.3: the major brand, else the first known one of those that it is compatible with."""
    size = int.from_bytes(head[:4])
    brands = [head[8:12], *(head[at : at + 4] for at in range(16, min(size, len(head)), 4))]
    if head[8:12] in _SOME_PICTURE:
        brands.sort(key=_SOME_PICTURE.__contains__)  # the others say which
    if head[8:12] in _BRANDS:
        return next(_BRANDS[one] for one in brands if one in _BRANDS)
    return "video/3gpp" if head[8:10] == b"3g" else "video/mp4"


def _zip(head: bytes) -> str:
    """What is in an archive, as its first entries say: an office document, or just files."""
    name = head[30 : 30 + int.from_bytes(head[26:28], "little")]
    if name == b"mimetype" and (found := _OPEN_DOCUMENT.match(head, 30)):
        return found[1].decode()
    if name in (b"[Content_Types].xml", b"_rels/.rels") or name.startswith((b"docProps/", b"word/", b"xl/", b"ppt/")):
        for part, kind in _OFFICE:
            if b"PK\x03\x04" in head and part in head:
                return f"application/vnd.openxmlformats-officedocument.{kind}"
    return "application/zip"


def _frames(head: bytes) -> str | None:
    """A frame of MPEG sound (ISO 11172-3, 2.4.2.3), of layer III or of AAC, without a tag before it."""
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE0 != 0xE0:
        return None
    if head[1] & 0xF6 == 0xF0:
        return "audio/aac"
    layer, rate, frequency = head[1] & 6, head[2] >> 4, head[2] >> 2 & 3
    return "audio/mpeg" if layer == 2 and head[1] & 0x18 != 8 and rate not in (0, 15) and frequency != 3 else None


def _text(head: bytes) -> str | None:
    """XML, HTML, JSON or plain text; None: bytes that are no text."""
    if head.startswith((b"\xff\xfe", b"\xfe\xff")) and len(head) > 2:
        head = head.decode("utf-16", "ignore").encode()
    head = head.removeprefix(b"\xef\xbb\xbf")
    if not head or _NO_TEXT.search(head):
        return None
    if _HTML.match(head[:1024]):
        return "text/html"
    if head.lstrip().startswith(b"<?xml"):
        root = next((tag[1] for tag in _TAG.finditer(head)), b"")
        return {b"svg": "image/svg+xml", b"html": "text/html"}.get(root, "application/xml")
    first = head.lstrip()[:64]
    if first.startswith(b"<svg"):
        return "image/svg+xml"
    if first.startswith(b"<ClinicalDocument"):
        return "application/xml"
    return "text/plain"
