"""The bytes of a mail as what the hub needs to know of it: who, to whom, in answer to what, and what it says. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field

from bridge.errors import Refused
from bridge.model import File
from bridge.networks.mail.mime.automatic import automatic, loops
from bridge.networks.mail.mime.bodies import MailBody, read_body
from bridge.networks.mail.mime.boxes import Box as Box
from bridge.networks.mail.mime.boxes import parse_boxes
from bridge.networks.mail.mime.headers import Headers, date, message_ids, urgent, words
from bridge.networks.mail.mime.parts import MailLimits as MailLimits
from bridge.networks.mail.mime.parts import Part, bare_newlines, long_lines, only_cr, take_apart
from bridge.networks.mail.mime.report_reading import Dsn as Dsn
from bridge.networks.mail.mime.report_reading import Mdn as Mdn
from bridge.networks.mail.mime.report_reading import read_report
from bridge.networks.mail.mime.threadindex import answers, parse_thread_index

_STANDARD = MailLimits()
_SIGNED = {"multipart/signed": "signed", "multipart/encrypted": "encrypted"}
_OPAQUE = {"application/pkcs7-mime", "application/x-pkcs7-mime"}


@dataclass(frozen=True, slots=True)
class Mail:
    """A mail as read. What it says, its names and its subject are in no repr."""

    message_id: str | None  # without <>, None if there is none or if it is unusable
    sender: Box | None  # None only in a report whose From is no mailbox
    to: tuple[Box, ...]
    cc: tuple[Box, ...]
    reply_to: tuple[Box, ...]
    subject: str = field(repr=False)
    sent_at: int | None  # milliseconds since 1970
    in_reply_to: tuple[str, ...]  # ids without <>
    references: tuple[str, ...]  # ids without <>, oldest first, each once, never its own
    thread_index: str | None  # hex of the 22-byte head of Outlook's Thread-Index
    answers: bool  # whether it says that it answers another mail
    text: str = field(repr=False)  # with its quotes
    html: str | None = field(repr=False)  # decoded, not sanitised: see html.clean
    files: tuple[File, ...] = field(repr=False)
    automatic: str | None  # why nobody must answer (automatic.automatic)
    report: Dsn | Mdn | None
    mdn_to: Box | None  # who asks for a reading receipt (Disposition-Notification-To)
    mss: Mapping[str, str] = field(repr=False)  # X-MSS-*, by their proper names
    received: int  # number of Received lines
    loops: tuple[str, ...]  # hubs that sent it before
    digest: str  # equal for the same mail however it travelled
    problems: tuple[str, ...]  # codes of what was odd
    headers: Headers = field(default=Headers(), repr=False)
    size: int = 0  # bytes
    urgent: bool = False  # its writer says so


def parse(raw: bytes, limits: MailLimits = _STANDARD) -> Mail:
    """Reads a mail.

    Raises Refused only: ``no_sender``, ``many_senders``, and those of :class:`bridge.networks.mail.mime.parts.Limits`
    (``too_big``, ``too_deep``, ``too_many_parts``, ``too_many_headers``, ``bare_newline``). Time grows with the size.
    """
    problems = _odd_bytes(raw)
    if only_cr(raw):
        raw = raw.replace(b"\r", b"\r\n")
    root = take_apart(raw.removeprefix(b"\xef\xbb\xbf"), limits)
    body = read_body(root, limits)
    problems |= set(body.problems) | {_SIGNED[part.mime] for part in root.walk() if part.mime in _SIGNED}
    problems |= {"encrypted" for file in body.files if file.mime in _OPAQUE}
    return _read(root, body, limits, problems)


def _read(root: Part, body: MailBody, limits: MailLimits, problems: set[str]) -> Mail:
    headers = root.headers
    subject = headers.text("subject")
    sender = _sender(headers, problems)
    message_id = _message_id(headers, problems)
    sent_at = _sent_at(headers, problems)
    to, cc, reply_to = (_boxes(headers, name, limits, problems) for name in ("to", "cc", "reply-to"))
    asked = _boxes(headers, "disposition-notification-to", limits, problems)
    return Mail(
        message_id=message_id,
        sender=sender,
        to=to,
        cc=cc,
        reply_to=reply_to,
        subject=subject,
        sent_at=sent_at,
        in_reply_to=_ids(headers, "in-reply-to", message_id),
        references=_ids(headers, "references", message_id),
        thread_index=parse_thread_index(headers.get("thread-index")),
        answers=any(map(headers.get, ("in-reply-to", "references"))) or answers(headers.get("thread-index")),
        text=body.text,
        html=body.html,
        files=body.files,
        automatic=automatic(headers, sender, subject),
        report=read_report(root, subject, sender, limits),
        mdn_to=asked[0] if len(asked) == 1 else None,
        mss=headers.mss(),
        received=headers.count("received"),
        loops=loops(headers),
        digest=_digest(headers, body),
        problems=tuple(sorted(problems)),
        headers=headers,
        size=len(root.raw),
        urgent=urgent(headers),
    )


def _odd_bytes(raw: bytes) -> set[str]:
    odd = {"bare_newline"} if bare_newlines(raw) else set()
    return odd | ({"long_line"} if long_lines(raw) else set())


def _sender(headers: Headers, problems: set[str]) -> Box | None:
    """The one mailbox of the one From. Raises Refused (no_sender, many_senders): trust is decided by it."""
    if headers.count("from") > 1:
        raise Refused("many_senders", "from")
    boxes, wrong = parse_boxes(headers.get("from"))
    if len(boxes) > 1:
        raise Refused("many_senders", "from")
    if wrong:
        problems.add("odd_from")
    if boxes:
        return boxes[0]
    if headers.get("content-type").lower().startswith("multipart/report"):
        problems.add("no_sender")
        return None
    raise Refused("no_sender", "from")


def _boxes(headers: Headers, name: str, limits: MailLimits, problems: set[str]) -> tuple[Box, ...]:
    boxes, wrong = parse_boxes(", ".join(headers.all(name)), limits.boxes)
    if wrong:
        problems.add(f"odd_{name.replace('-', '_')}")
    return boxes


def _message_id(headers: Headers, problems: set[str]) -> str | None:
    found = message_ids(headers.get("message-id"))
    if len(found) != 1 or headers.count("message-id") > 1:
        problems.add("odd_message_id" if headers.count("message-id") else "no_message_id")
    return found[0] if found else None


def _ids(headers: Headers, name: str, own: str | None) -> tuple[str, ...]:
    """Each id once; a mail that cites itself does not."""
    return tuple(one for one in message_ids(" ".join(headers.all(name))) if one != own)


def _sent_at(headers: Headers, problems: set[str]) -> int | None:
    written = headers.get("date")
    found = date(written)
    if found is None:
        problems.add("odd_date" if written else "no_date")
    return found


def _digest(headers: Headers, body: MailBody) -> str:
    """SHA-256 of what stays when a mail is sent again: who, when, text, documents; not the traces of its way."""
    digest = hashlib.sha256()
    for name in ("message-id", "from", "to", "cc", "subject", "date", "in-reply-to", "references"):
        digest.update(f"{name}:{' '.join(words(headers.get(name)).split())}\n".encode())
    for text in (body.text, body.html or ""):
        digest.update(hashlib.sha256(text.strip().encode("utf-8", "replace")).digest())
    for file in body.files:
        digest.update(f"{file.mime}:{file.size}\n".encode() + file.name.encode() + hashlib.sha256(file.data).digest())
    return digest.hexdigest()
