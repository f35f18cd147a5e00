"""Fields and parts of a mail as bytes: 7-bit safe, folded, nothing breaks out of its field (RFC 5322, 2045). Pure."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable, Sequence
from email.utils import formatdate
from urllib.parse import quote

from bridge.errors import Refused
from bridge.model import File
from bridge.networks.mail.letters.encoded_words import encoded_words
from bridge.networks.mail.mime.boxes import Box, clean_address
from bridge.networks.mail.mime.charsets import one_line, readable
from bridge.networks.mail.mime.file_names import ascii_name, safe_name
from bridge.networks.mail.mime.parts import bare_newlines, long_lines
from bridge.parts.moments import written

Fields = list[tuple[str, str]]
"""Names and values, the values already as they go on the wire but not yet folded."""

MOST_SUBJECT = 500  # characters
_FIELD_NAME = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,60}")
_MIME = re.compile(r"[a-z0-9][a-z0-9!#$&^_.+-]{0,60}/[a-z0-9][a-z0-9!#$&^_.+-]{0,80}")
_PLAIN_PHRASE = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~ -]*")
_ASCII = bytes(range(128))
_ID = re.compile(r"[\x21-\x3b\x3d\x3f-\x7e]{1,900}")


def text_value(text: str, name: str = "Subject", most: int = MOST_SUBJECT) -> str:
    """Text for people as a field's value: one line, encoded words where it is not ASCII (RFC 2047)."""
    text = one_line(text, most)
    if text.isascii() and "=?" not in text and max(map(len, text.split(" "))) < 60:
        return text
    return encoded_words(text, name)


def phrase(name: str) -> str:
    """A display name (RFC 5322 §3.2.5), quoted or encoded where it must be."""
    name = one_line(name, 200)
    if not name.isascii() or "=?" in name or max(map(len, name.split(" "))) >= 60:
        return text_value(name, "Reply-To", 200)
    if _PLAIN_PHRASE.fullmatch(name):
        return name
    return '"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'


def writable(box: Box) -> bool:
    """Whether a mailbox can stand in a field: no mail of ours needs SMTPUTF8 (RFC 6531) to be passed on."""
    address = clean_address(box.address)
    return address is not None and address.isascii()


def box_value(box: Box, where: str) -> str:
    """A mailbox with its name. Raises Refused (bad_address) for what is none, or is not ASCII."""
    address = clean_address(box.address)
    if address is None or not writable(box):
        raise Refused("bad_address", where)
    name = phrase(box.name)
    return f"{name} <{address}>" if name else address


def boxes_value(boxes: Iterable[Box], where: str) -> str:
    """Mailboxes between commas."""
    return ", ".join(box_value(box, where) for box in boxes)


def id_value(message_id: str, where: str) -> str:
    """A message id in its brackets. Raises Refused (bad_message_id) for what cannot stand there."""
    if not _ID.fullmatch(message_id):
        raise Refused("bad_message_id", where)
    return f"<{message_id}>"


def date_value(at: int) -> str:
    """Milliseconds since 1970 as a date of RFC 5322, in UTC."""
    return formatdate(written(at) // 1000).replace("-0000", "+0000")


def field_lines(fields: Iterable[tuple[str, str]]) -> bytes:
    """The fields, folded at spaces. Raises Refused (bad_header) for a name that is none or a value with a line end."""
    return b"".join(_folded(name, value) for name, value in fields)


def _folded(name: str, value: str) -> bytes:
    if not _FIELD_NAME.fullmatch(name) or not value.isascii() or not value.isprintable():
        raise Refused("bad_header", name if _FIELD_NAME.fullmatch(name) else "headers")
    lines, line = [], f"{name}:"
    for word in value.split(" "):
        if len(line) + 1 + len(word) > 77 and line.strip() and not line.endswith(":"):
            lines.append(line)
            line = ""
        line += " " + word
    lines.append(line)
    return "\r\n".join(lines).encode("ascii") + b"\r\n"


def text_part(text: str, subtype: str = "plain", eight_bit: bool = False) -> bytes:
    """A text part with its fields: UTF-8; as it is where lines are short and ASCII (or 8 bits pass), else encoded."""
    body = readable(text).replace("\n", "\r\n").encode("utf-8", "replace")
    body = body if body.endswith(b"\r\n") else body + b"\r\n"
    encoding = _encoding(body, eight_bit)
    fields = [("Content-Type", f"text/{subtype}; charset=utf-8"), ("Content-Transfer-Encoding", encoding)]
    if encoding == "quoted-printable":
        body = _quoted_printable(body)
    elif encoding == "base64":
        body = base64_lines(body)
    return field_lines(fields) + b"\r\n" + body


def _encoding(body: bytes, eight_bit: bool) -> str:
    # Old programs change lines that begin with "From "; spaces at line ends get lost on the way.
    safe = not long_lines(body, 900) and not re.search(rb"(?m)^From |^\.\r?$|[ \t]\r?$", body)
    if safe and body.isascii():
        return "7bit"
    if safe and eight_bit:
        return "8bit"
    start = body[:20_000]
    return "base64" if len(start.translate(None, _ASCII)) * 3 > len(start) else "quoted-printable"


def _quoted_printable(body: bytes) -> bytes:
    encoded = binascii.b2a_qp(body.replace(b"\r\n", b"\n"), istext=True)
    return re.sub(rb"(?m)^From ", b"=46rom ", encoded).replace(b"\n", b"\r\n")


def base64_lines(data: bytes) -> bytes:
    """Base64 in lines of 76 characters."""
    return base64.encodebytes(data).replace(b"\n", b"\r\n")


def file_part(file: File, eight_bit: bool = False) -> bytes:
    """A document as a part: byte-exact; a mail stays ``message/rfc822`` where it can travel (RFC 2046 §5.2.1)."""
    mime = file.mime.lower() if _MIME.fullmatch(file.mime.lower()) else "application/octet-stream"
    name = safe_name(file.name, mime)
    nested = mime == "message/rfc822" and travels(file.data, eight_bit)
    if mime.startswith(("message/", "multipart/")) and not nested:
        mime = "application/octet-stream"
    fields = [("Content-Type", _with_name(mime, name)), ("Content-Disposition", _disposition(file, name))]
    if file.inline is not None:
        fields.append(("Content-ID", id_value(file.inline, "files")))
    if nested:
        encoding = "7bit" if file.data.isascii() else "8bit"
        return field_lines([*fields, ("Content-Transfer-Encoding", encoding)]) + b"\r\n" + file.data
    return field_lines([*fields, ("Content-Transfer-Encoding", "base64")]) + b"\r\n" + base64_lines(file.data)


def travels(data: bytes, eight_bit: bool) -> bool:
    """Whether bytes may go through SMTP as they are: CR LF only, no NUL, short lines, ASCII unless 8 bits pass."""
    clean = b"\0" not in data and not bare_newlines(data) and not long_lines(data, 1000)
    return clean and (eight_bit or data.isascii())


def _with_name(mime: str, name: str) -> str:
    """A short ASCII ``name`` beside the full ``filename``, for programs that know no RFC 2231."""
    return f'{mime}; name="{ascii_name(name)}"'


def _disposition(file: File, name: str) -> str:
    kind = "attachment" if file.inline is None else "inline"
    if name.isascii() and len(name) < 60:
        return f'{kind}; filename="{name}"'
    encoded = quote(name, safe="!#$&+-.^_`{}~")
    if len(encoded) < 60:
        return f"{kind}; filename*=UTF-8''{encoded}"
    pieces = re.findall(r"(?:%[0-9A-F]{2}|.){1,16}", encoded)
    pieces[0] = f"UTF-8''{pieces[0]}"
    return f"{kind}; " + "; ".join(f"filename*{n}*={piece}" for n, piece in enumerate(pieces))


def multipart(kind: str, parts: Sequence[bytes], boundary: str) -> bytes:
    """Parts between boundaries; ``kind`` is the subtype with its parameters. A part keeps its bytes."""
    mark = b"--" + boundary.encode("ascii")
    fields = field_lines([("Content-Type", f'multipart/{kind}; boundary="{boundary}"')])
    body = b"".join(mark + b"\r\n" + part + b"\r\n" for part in parts)
    return fields + b"\r\n" + body + mark + b"--\r\n"
