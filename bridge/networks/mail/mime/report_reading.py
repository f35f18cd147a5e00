"""What became of a mail (DSN, RFC 3464), and what its reader did with it (MDN, RFC 8098; guide of the ANS). Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from bridge.networks.mail.mime.boxes import Box, clean_address, parse_boxes
from bridge.networks.mail.mime.charsets import decode, one_line, readable
from bridge.networks.mail.mime.headers import Headers, date, message_ids, parse_headers, words
from bridge.networks.mail.mime.parts import MailLimits, Part

MOST_RECIPIENTS = 200
MOST_PARTS, MOST_MENTIONS = 20, 30
_CITES = re.compile(r"(?im)^[ \t>]*(?:references|in-reply-to):.*(?:\n[ \t].*)*")
_ID_FIELD = re.compile(r"(?im)^[ \t>]*(?:x-original-|original-|resent-)?message-id:(.*(?:\n[ \t].*)?)")
_KO = re.compile(r"(?i)\s*\[\s*(?:ko intégration système|erreur d.intégration)\s*!?\s*\]\s*\[\s*([0-9]{1,4})\s*\]")
_ERROR = re.compile(r"\s*([0-9]{1,4})\s*\^([^^|]{0,200})")
_STATUS = re.compile(r"\b([245])\.([0-9]{1,3})\.([0-9]{1,3})\b")
_STATES = ("displayed", "dispatched", "processed", "deleted", "denied", "failed")

# ANS, "Transmission au LPS d'un document CDA en pièce jointe d'un courriel MSSanté": codes of the application.
INTEGRATION_ERRORS = {
    "900": ("Mauvaise version", "wrong version"),
    "901": ("Auteur non autorisé à remplacer ou supprimer", "author not allowed to replace or delete"),
    "902": ("Identifiant de patient inconnu", "unknown patient"),
    "903": ("Pas d’INS", "no INS"),
    "904": ("L’INS ne correspond pas", "INS mismatch"),
    "905": ("INS incomplète", "INS incomplete"),
    "906": ("Autre erreur", "other error"),
}


@dataclass(frozen=True, slots=True)
class DsnRecipient:
    """What became of a mail for one mailbox: ``action`` is failed, delayed, delivered, relayed or expanded."""

    address: str
    action: str
    status: str  # enhanced status (RFC 3463), empty if none was given
    original: str = ""  # the mailbox as the sender wrote it
    diagnostic: str = field(default="", repr=False)
    remote: str = ""
    words: tuple[str, str] = ("", "")  # what a person reads, French and English; of reports that we write


@dataclass(frozen=True, slots=True)
class Dsn:
    """A delivery status notification; ``message_id`` is that of the mail it is about, None if it does not say.

    ``mentions``: other message ids in its text; programs enclose the mail there, or servers give it another id.
    ``sent_at``: the date of the enclosed mail; ``arrived_at``: when it came to the reporter. Milliseconds since 1970.
    """

    message_id: str | None
    recipients: tuple[DsnRecipient, ...]
    reporter: str = ""
    envelope_id: str = ""
    mentions: tuple[str, ...] = ()
    sent_at: int | None = None
    arrived_at: int | None = None

    @property
    def failed(self) -> bool:
        """Whether it says that a mail did not arrive, or nothing that can be read."""
        return not self.recipients or any(one.action == "failed" for one in self.recipients)


@dataclass(frozen=True, slots=True)
class Mdn:
    """A message disposition notification.

    ``disposition``: displayed, dispatched, processed, deleted, denied or failed. ``error``: the code of a hand-over
    that failed (900 and following: :data:`INTEGRATION_ERRORS`), ``error_text`` what the system said. Both forms of the
    guide "Transmission au LPS" are read: v1.1.2 (the error inside Disposition) and v1.1.3 (a field ``Error``).
    """

    message_id: str | None
    disposition: str
    recipient: str = ""
    original_recipient: str = ""
    automatic: bool = True
    error: str | None = None
    error_text: str = field(default="", repr=False)
    reporter: str = ""

    @property
    def failed(self) -> bool:
        """Whether the mail was not taken in by the system that should."""
        return self.error is not None or self.disposition == "failed"


def read_report(root: Part, subject: str, sender: Box | None, limits: MailLimits) -> Dsn | Mdn | None:
    """The report in a mail, in whatever form it comes; None if it is none. Never raises for what is odd in it."""
    found = {part.mime: part for part in root.walk()}
    original = _original(root, limits)
    for mime in ("message/disposition-notification", "message/global-disposition-notification"):
        if mime in found:
            return _mdn(found[mime], original, subject, limits)
    for mime in ("message/delivery-status", "message/global-delivery-status"):
        if mime in found:
            return replace(_dsn(found[mime], original, limits), mentions=_mentioned(root, limits))
    failed, _ = parse_boxes(root.headers.get("x-failed-recipients"), MOST_RECIPIENTS)
    if failed:
        recipients = tuple(DsnRecipient(box.address, "failed", "5.0.0") for box in failed)
        return Dsn(_message_id(original), recipients, mentions=_mentioned(root, limits))
    return _ko_without_mdn(original, subject, sender)


def _original(root: Part, limits: MailLimits) -> Headers:
    """The header of the mail that the report is about, where it is enclosed."""
    for part in root.walk():
        if part.mime in ("message/rfc822", "text/rfc822-headers", "message/global", "message/global-headers"):
            data = part.data[: limits.header_size]
            return parse_headers(data, 0, len(data), limits.header_lines, limits.header_size + 1)[0]
    return Headers()


def _mentioned(root: Part, limits: MailLimits) -> tuple[str, ...]:
    """The message ids in the text of a report, those of a field first; what the mail itself cites is another mail's."""
    leaves = [part for part in root.walk() if not part.parts]
    said = "\n".join(decode(part.data[: limits.header_size])[0] for part in leaves[:MOST_PARTS])
    said = _CITES.sub("", readable(said))
    fields = [ident for field in _ID_FIELD.findall(said) for ident in message_ids(field)]
    return tuple(dict.fromkeys([*fields, *message_ids(said)]))[:MOST_MENTIONS]


def _message_id(headers: Headers, name: str = "message-id") -> str | None:
    return next(iter(message_ids(headers.get(name))), None)


def _blocks(part: Part, limits: MailLimits) -> Iterator[Headers]:
    """The groups of fields between empty lines (RFC 3464 §2.1)."""
    data = part.data[: limits.header_size].replace(b"\r\n", b"\n").strip(b"\n")
    for block in re.split(rb"\n[ \t]*\n+", data)[: MOST_RECIPIENTS + 1]:
        if block.strip():
            yield parse_headers(block, 0, len(block), limits.header_lines, limits.header_size + 1)[0]


def _dsn(part: Part, original: Headers, limits: MailLimits) -> Dsn:
    blocks = list(_blocks(part, limits))
    first = blocks[0] if blocks else Headers()
    return Dsn(
        message_id=_message_id(original) or _message_id(first, "x-original-message-id"),
        recipients=tuple(one for block in blocks if (one := _recipient(block)) is not None),
        reporter=_typed(first.get("reporting-mta"))[:253],
        envelope_id=_xtext(first.get("original-envelope-id"))[:200],
        sent_at=date(original.get("date")),
        arrived_at=date(first.get("arrival-date")),
    )


def _recipient(block: Headers) -> DsnRecipient | None:
    final, original = _mailbox(block.get("final-recipient")), _mailbox(block.get("original-recipient"))
    action = re.split(r"[\s;(]", block.get("action").lower(), maxsplit=1)[0]
    status = _STATUS.search(block.get("status"))
    if not (final or original) or not (action or status):
        return None
    if action not in ("failed", "delayed", "delivered", "relayed", "expanded"):
        action = {"2": "delivered", "4": "delayed"}.get(status[1] if status else "", "failed")
    return DsnRecipient(
        address=final or original,
        action=action,
        status=status[0] if status else "",
        original=original,
        diagnostic=one_line(words(_typed(block.get("diagnostic-code"))), 500),
        remote=_typed(block.get("remote-mta"))[:253],
    )


def _typed(value: str) -> str:
    """The value after its type (``dns; mx.example``, ``rfc822;a@b``), with or without a space."""
    kind, semicolon, rest = value.partition(";")
    return (rest if semicolon else kind).strip()


def _xtext(value: str) -> str:
    """RFC 3461 §4."""
    return re.sub(r"\+([0-9A-F]{2})", lambda match: chr(int(match[1], 16)), value).strip()


def _mailbox(value: str) -> str:
    bare = _xtext(_typed(value)) if "+" in value and "@" not in value else _typed(value)
    if value.lower().startswith("utf-8;"):  # RFC 6533, 3
        bare = re.sub(r"\\x\{(?!D[89A-F]..\})([0-9A-F]{2,5})\}", lambda match: chr(int(match[1], 16)), bare)
    return clean_address(bare.strip().strip("<>")) or ""


def _mdn(part: Part, original: Headers, subject: str, limits: MailLimits) -> Mdn:
    fields = next(_blocks(part, limits), Headers())
    mode, disposition, problem = _disposition(fields.get("disposition"))
    said = fields.text("error") or fields.text("failure") or problem
    error, text = _error(said, subject, problem)
    return Mdn(
        message_id=_message_id(fields, "original-message-id") or _message_id(original),
        disposition=disposition,
        recipient=_mailbox(fields.get("final-recipient")),
        original_recipient=_mailbox(fields.get("original-recipient")),
        automatic="automatic" in mode,
        error=error,
        error_text=text,
        reporter=fields.text("reporting-ua")[:253],
    )


def _disposition(value: str) -> tuple[str, str, str]:
    """Mode, state and what follows the slash: ``error``, ``Error: 902^…`` (the guide's v1.1.2), or nothing."""
    mode, semicolon, rest = words(value).partition(";")
    if not semicolon:
        mode, rest = "", mode
    state, _, modifier = rest.partition("/")
    state = state.strip().lower()
    return mode.lower(), state if state in _STATES else "processed", modifier.strip()


def _error(said: str, subject: str, modifier: str) -> tuple[str | None, str]:
    """The code and text of a failed hand-over: from the fields, else from the subject, else 906 ("other")."""
    found = _ERROR.search(re.sub(r"(?i)^error\s*:?", "", said))
    if found is not None:
        return found[1], one_line(found[2], 200)
    by_subject = _KO.match(subject)
    if by_subject is not None:
        return by_subject[1], one_line(said, 200)
    if modifier.lower().startswith(("error", "failure")):
        return "906", one_line(said, 200) if said.lower() != "error" else ""
    return None, ""


def _ko_without_mdn(original: Headers, subject: str, sender: Box | None) -> Mdn | None:
    """A failure told in an ordinary mail, as the guide has it when no MDN was asked for."""
    found = _KO.match(subject)
    message_id = _message_id(original)
    if found is None or message_id is None:
        return None
    recipient = sender.address if sender else ""
    return Mdn(message_id, "processed", recipient, error=found[1])
