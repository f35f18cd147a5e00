"""A mail rewritten so that it passes where only 7-bit lines pass, part by part. Pure."""

from __future__ import annotations

import re

from bridge.networks.mail.letters.writing import base64_lines, boxes_value, field_lines, text_value
from bridge.networks.mail.mime.boxes import parse_boxes
from bridge.networks.mail.mime.headers import Headers, raw_text
from bridge.networks.mail.mime.parts import MailLimits, Part, long_lines, take_apart

_BOXES = {"from", "sender", "to", "cc", "reply-to"}
_WIDE = MailLimits(size=1 << 31, depth=50, parts=5000, header_lines=20_000, header_size=1 << 24)


def seven_bit(raw: bytes) -> bytes:
    """The same mail in 7 bits, with CR LF and short lines; parts that fit already keep their bytes.

    Raises Refused for a mail beyond every limit.
    """
    return _part(take_apart(re.sub(rb"\r\n|\r|\n", b"\r\n", raw), _WIDE))


def _part(part: Part) -> bytes:
    if part.parts:
        return _fields(part.headers, drop=("content-transfer-encoding",)) + b"\r\n" + _parts(part)
    body = part.body
    if body.isascii() and not long_lines(body) and b"\0" not in body:
        return _fields(part.headers) + b"\r\n" + body
    if part.mime == "message/rfc822":
        return _fields(part.headers, drop=("content-transfer-encoding",)) + b"\r\n" + seven_bit(body)
    encoded = b"Content-Transfer-Encoding: base64\r\n\r\n" + base64_lines(part.data)
    return _fields(part.headers, drop=("content-transfer-encoding",)) + encoded


def _parts(part: Part) -> bytes:
    mark = b"--" + part.type.get("boundary").rstrip().encode("utf-8", "replace")
    return b"".join(mark + b"\r\n" + _part(one) + b"\r\n" for one in part.parts) + mark + b"--\r\n"


def _fields(headers: Headers, drop: tuple[str, ...] = ()) -> bytes:
    return b"".join(_field(name, value) for name, value in headers.fields if name not in drop)


def _field(name: str, value: bytes) -> bytes:
    """The field as it was (its lines kept), or, where it is not 7-bit, its text in encoded words."""
    if value.isascii() and b"\0" not in value and not long_lines(value, 900):
        return _title(name) + b":" + value.replace(b"\n", b"\r\n") + b"\r\n"
    if name in _BOXES:
        boxes, _ = parse_boxes(raw_text(value))
        return field_lines([(_title(name).decode("ascii"), boxes_value(boxes, name))])
    if name.startswith("content-"):  # parameters: an encoded word would hide the type
        return _title(name) + b": " + raw_text(value)[:900].encode("ascii", "replace") + b"\r\n"
    words = text_value(raw_text(value), "X", 4000).split(" ")
    return _title(name) + b": " + "\r\n ".join(words).encode("ascii") + b"\r\n"


def _title(name: str) -> bytes:
    special = {"mime-version": "MIME-Version", "message-id": "Message-ID", "content-id": "Content-ID"}
    return special.get(name, name.title()).encode("ascii")
