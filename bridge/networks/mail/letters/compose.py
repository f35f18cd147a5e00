"""A letter as the bytes of a mail (RFC 5322, 2045 to 2047, 2231, 2387). Pure: the same letter gives the same bytes."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from bridge.errors import Refused
from bridge.model import File
from bridge.networks.mail.letters.writing import (
    Fields,
    box_value,
    boxes_value,
    date_value,
    field_lines,
    file_part,
    id_value,
    multipart,
    text_part,
    text_value,
)
from bridge.networks.mail.mime.automatic import LOOP_HEADER
from bridge.networks.mail.mime.boxes import Box
from bridge.networks.mail.mime.charsets import one_line
from bridge.networks.mail.mime.threadindex import compose_thread_index

MOST_REFERENCES = 20  # the first and the last 19
_PREFIX = re.compile(
    r"(?i)\s*(?:(?:re|ré|rép|ref|réf|fw|fwd|tr|aw|wg|sv|antw|i|r)\s*(?:\[\d{1,3}\]|\(\d{1,3}\)|\^\d{1,3})?\s*:"
    r"|\[\s*annule et remplace\s*\])\s*"
)
_REPLY = re.compile(r"(?i)\s*(?:re|ré|rép|aw|sv|antw)\s*(?:\[\d{1,3}\]|\(\d{1,3}\)|\^\d{1,3})?\s*:\s*")
_OURS = {
    "from", "sender", "to", "cc", "bcc", "reply-to", "subject", "date", "message-id", "in-reply-to", "references",
    "return-path", "received", "mime-version", "content-type", "content-transfer-encoding", "content-disposition",
    "content-id", "auto-submitted", "disposition-notification-to", "thread-index", "thread-topic",
}  # fmt: skip
_MSS = re.compile(r"X-MSS-[A-Z0-9-]{1,30}")


@dataclass(frozen=True, slots=True)
class Letter:
    """A mail to be written. ``message_id`` and the ids are without brackets; ``sent_at`` is in milliseconds since 1970.

    ``thread``: hex head of the Thread-Index that the conversation has in Outlook. ``mss``: ``X-MSS-*`` fields
    (``X-MSS-NIL`` belongs on every mail). ``extra``: further fields. ``loop``: our own name in the loop header, by
    default the domain of the message id.
    """

    message_id: str
    sender: Box
    to: tuple[Box, ...]
    subject: str = field(repr=False)
    text: str = field(repr=False)
    sent_at: int
    cc: tuple[Box, ...] = ()
    reply_to: tuple[Box, ...] = ()
    html: str | None = field(default=None, repr=False)
    files: tuple[File, ...] = field(default=(), repr=False)
    in_reply_to: str | None = None
    references: tuple[str, ...] = ()
    thread: str | None = None
    mss: Mapping[str, str] = field(default_factory=dict, repr=False)
    auto_submitted: str | None = None
    want_mdn: Box | None = None
    extra: Mapping[str, str] = field(default_factory=dict, repr=False)
    loop: str = ""
    urgent: bool = False


def compose(letter: Letter, *, eight_bit: bool = False) -> bytes:
    """The mail, with CR LF; 7-bit unless the peer takes 8BITMIME (``eight_bit``).

    Line ends and control characters in names and subjects become spaces. Raises Refused (bad_address, bad_message_id,
    bad_header) for what cannot be made safe.
    """
    return field_lines(letter_fields(letter)) + _content(letter, eight_bit)


def letter_fields(letter: Letter) -> Fields:
    """The fields of the letter, without those of its content."""
    fields: Fields = [
        ("Date", date_value(letter.sent_at)),
        ("From", box_value(letter.sender, "sender")),
    ]
    for name, boxes in (("Reply-To", letter.reply_to), ("To", letter.to), ("Cc", letter.cc)):
        if boxes:
            fields.append((name, boxes_value(boxes, name.lower())))
    fields += [("Message-ID", id_value(letter.message_id, "message_id")), *_threading(letter)]
    fields.append(("Subject", text_value(letter.subject)))
    if letter.want_mdn is not None:
        fields.append(("Disposition-Notification-To", box_value(letter.want_mdn, "want_mdn")))
    if letter.auto_submitted is not None:
        fields.append(("Auto-Submitted", text_value(letter.auto_submitted)))
    if letter.urgent:  # RFC 4021 names two of them; the third is the one that most programs show
        fields += [("Importance", "high"), ("Priority", "urgent"), ("X-Priority", "1 (Highest)")]
    fields.append((LOOP_HEADER, letter.loop or letter.message_id.rpartition("@")[2]))
    return [*fields, *_mss(letter.mss), *_extra(letter.extra), ("MIME-Version", "1.0")]


def _threading(letter: Letter) -> Fields:
    fields: Fields = []
    if letter.in_reply_to:
        fields.append(("In-Reply-To", id_value(letter.in_reply_to, "in_reply_to")))
    cited = kept_references(letter.references, letter.in_reply_to)
    if cited:
        fields.append(("References", " ".join(id_value(one, "references") for one in cited)))
    if letter.thread:
        fields.append(("Thread-Topic", text_value(base_subject(letter.subject), "Thread-Topic")))
        fields.append(("Thread-Index", compose_thread_index(letter.thread, len(cited), letter.sent_at)))
    return fields


def kept_references(references: Iterable[str], in_reply_to: str | None = None) -> tuple[str, ...]:
    """References of an answer (RFC 5322 §3.6.4): each once, its parent last, the first and the last 19."""
    cited = [one for one in dict.fromkeys(references) if one != in_reply_to]
    if in_reply_to:
        cited.append(in_reply_to)
    return tuple(cited if len(cited) <= MOST_REFERENCES else [cited[0], *cited[1 - MOST_REFERENCES :]])


def _mss(fields: Mapping[str, str]) -> Fields:
    for name in fields:
        if not _MSS.fullmatch(name):
            raise Refused("bad_header", "mss")
    return [(name, text_value(value, name)) for name, value in fields.items()]


def _extra(fields: Mapping[str, str]) -> Fields:
    for name in fields:
        if name.lower() in _OURS or name.lower().startswith("resent-"):
            raise Refused("bad_header", "extra")
    return [(name, text_value(value, name, 900)) for name, value in fields.items()]


def _content(letter: Letter, eight_bit: bool) -> bytes:
    """Text, beside it HTML with its pictures, below it the documents."""
    mark = hashlib.sha256(letter.message_id.encode()).hexdigest()[:32]
    content = text_part(letter.text, "plain", eight_bit)
    inline = [file for file in letter.files if file.inline is not None and letter.html is not None]
    if letter.html is not None:
        shown = text_part(letter.html, "html", eight_bit)
        if inline:
            shown = multipart(
                'related; type="text/html"', [shown, *(file_part(file) for file in inline)], f"=_r_{mark}"
            )
        content = multipart("alternative", [content, shown], f"=_a_{mark}")
    documents = [file for file in letter.files if file not in inline]
    if documents:
        parts = [content, *(file_part(file, eight_bit) for file in documents)]
        content = multipart("mixed", parts, f"=_m_{mark}")
    return content


def reply_subject(subject: str) -> str:
    """The subject of an answer: as it was, with one ``Re:``."""
    subject = one_line(subject)
    while (found := _REPLY.match(subject)) is not None and found.end() > 0:
        subject = subject[found.end() :]
    return f"Re: {subject}".strip()


def base_subject(subject: str) -> str:
    """The subject without marks of answers and forwards (French, English, German, Scandinavian): only ever a hint."""
    subject = one_line(subject)
    while (found := _PREFIX.match(subject)) is not None and found.end() > 0:
        subject = subject[found.end() :]
    return re.sub(r"(?i)(?:\s*\((?:fwd|tr)\))+$", "", subject).strip()
