"""Reports that we send: delivery status (RFC 3461, 3464) and disposition (RFC 8098, guide of the ANS v1.1.3). Pure.

Both go out with the null sender: SMTP ``MAIL FROM:<>``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from bridge.errors import Refused
from bridge.networks.mail.letters.compose import Letter, letter_fields
from bridge.networks.mail.letters.seven_bit import seven_bit
from bridge.networks.mail.letters.writing import (
    Fields,
    date_value,
    field_lines,
    id_value,
    multipart,
    text_part,
    text_value,
    travels,
)
from bridge.networks.mail.mime.boxes import Box
from bridge.networks.mail.mime.charsets import one_line
from bridge.networks.mail.mime.headers import Headers, message_ids, parse_headers
from bridge.networks.mail.mime.parts import MailLimits
from bridge.networks.mail.mime.report_reading import INTEGRATION_ERRORS, DsnRecipient

_LIMITS = MailLimits()
_ACTIONS = {
    "failed": ("n’a pas pu être remis", "could not be delivered"),
    "delayed": ("n’est pas encore remis, nous essayons encore", "is not delivered yet, we keep trying"),
    "delivered": ("a été remis", "has been delivered"),
    "relayed": ("a été transmis à un serveur qui n’enverra pas d’avis", "went to a server that sends no reports"),
    "expanded": ("a été remis à une liste", "has been delivered to a list"),
}
_DISPOSITIONS = {
    "displayed": ("Le message a été affiché.", "The message has been displayed."),
    "processed": ("Le message a été pris en charge.", "The message has been taken in."),
    "dispatched": ("Le message a été transféré.", "The message has been forwarded."),
    "deleted": ("Le message a été supprimé.", "The message has been deleted."),
}


@dataclass(frozen=True, slots=True)
class Notice:
    """What every report needs: its own id and time (milliseconds since 1970), who reports, to whom, about which mail.

    ``original``: the bytes of the mail. ``reporter``: our host name. ``product``: ``X-MSS-NIL``, empty for none.
    """

    message_id: str
    sender: Box
    to: Box
    sent_at: int
    original: bytes = field(repr=False)
    reporter: str
    product: str = ""


def compose_dsn(
    notice: Notice,
    recipients: Sequence[DsnRecipient],
    *,
    envelope_id: str = "",
    whole: bool = False,
    eight_bit: bool = False,
) -> bytes:
    """A delivery status notification. ``whole``: with the whole original (RET=FULL), else with its header only."""
    if not recipients:
        raise Refused("no_recipient", "recipients")
    fields: Fields = [("Reporting-MTA", f"dns; {_word(notice.reporter)}")]
    if envelope_id:
        fields.append(("Original-Envelope-Id", _xtext(envelope_id)))
    fields.append(("Arrival-Date", date_value(notice.sent_at)))
    status = b"\r\n".join(field_lines(one) for one in (fields, *(_status(r) for r in recipients)))
    failed = any(r.action == "failed" for r in recipients)
    subject = (
        "Message non remis / Undelivered mail" if failed else "État de votre message / Delivery status of your mail"
    )
    parts = [text_part(_told(recipients)), _report_part("delivery-status", status), _returned(notice, whole, eight_bit)]
    return _report(notice, subject, "delivery-status", parts)


def _status(recipient: DsnRecipient) -> Fields:
    fields: Fields = []
    if recipient.original:
        fields.append(("Original-Recipient", _recipient(recipient.original, _xtext)))
    fields += [
        ("Final-Recipient", _recipient(recipient.address, _word)),
        ("Action", _word(recipient.action)),
        ("Status", _word(recipient.status)),
    ]
    if recipient.remote:
        fields.append(("Remote-MTA", f"dns; {_word(recipient.remote)}"))
    if recipient.diagnostic:
        fields.append(("Diagnostic-Code", "smtp; " + text_value(recipient.diagnostic, "Diagnostic-Code")))
    elif recipient.words[1]:
        fields.append(("Diagnostic-Code", "x-liaison; " + text_value(recipient.words[1], "Diagnostic-Code")))
    return fields


def _told(recipients: Sequence[DsnRecipient]) -> str:
    french, english = [], []
    for one in recipients:
        fr, en = _ACTIONS.get(one.action, _ACTIONS["failed"])
        said = one_line(f"{one.status} {one.diagnostic}").strip()
        french.append(one_line(f"- {one.address} : votre message {fr} ({said}). {one.words[0]}").strip())
        english.append(one_line(f"- {one.address}: your message {en} ({said}). {one.words[1]}").strip())
    return "\n".join([*french, "", *english])


def compose_mdn(
    notice: Notice,
    disposition: str = "processed",
    *,
    error: tuple[str, str] | None = None,
    manual: bool = False,
    eight_bit: bool = False,
) -> bytes:
    """A disposition notification in the form of the guide's v1.1.3, with the whole original.

    ``disposition``: displayed, processed, dispatched or deleted. ``error``: code and label of a hand-over that failed;
    without a label the guide's own is used.
    """
    if disposition not in _DISPOSITIONS:
        raise Refused("bad_disposition", "disposition")
    error = None if error is None else _labelled(error)
    # The subject goes back as it came: the sender's system finds its mail by it.
    subject = _header(notice)[0].text("subject")
    parts = [
        text_part(_said(disposition, error)),
        _report_part("disposition-notification", field_lines(_disposition(notice, disposition, error, manual))),
        _returned(notice, True, eight_bit),
    ]
    prefix = f"[KO Intégration système !][{error[0]}] " if error else ""
    return _report(notice, prefix + subject, "disposition-notification", parts)


def _labelled(error: tuple[str, str]) -> tuple[str, str]:
    code, label = error
    if not code.isdecimal() or not code.isascii() or len(code) > 4:
        raise Refused("bad_code", "error")
    label = label or INTEGRATION_ERRORS.get(code, INTEGRATION_ERRORS["906"])[0]
    return code, label.replace("^", " ").replace("|", " ")


def _hl7(error: tuple[str, str]) -> str:
    return f"{error[0]}^{error[1]}^applicationErrorCondition| E^Error^errorSeverity"


def _said(disposition: str, error: tuple[str, str] | None) -> str:
    if error is None:
        return "\n\n".join(_DISPOSITIONS[disposition])
    return (
        f"Le document n’a pas pu être intégré.\nLe système a retourné l’erreur {_hl7(error)}\n\n"
        f"The document could not be taken in. The system answered with error {error[0]}."
    )


def _disposition(notice: Notice, disposition: str, error: tuple[str, str] | None, manual: bool) -> Fields:
    mode = "manual-action/MDN-sent-manually" if manual else "automatic-action/MDN-sent-automatically"
    fields: Fields = [
        ("Reporting-UA", _word(notice.reporter)),
        ("Original-Recipient", f"rfc822;{_word(notice.sender.address)}"),
        ("Final-Recipient", f"rfc822;{_word(notice.sender.address)}"),
    ]
    if (cited := _cited(notice)) is not None:
        fields.append(("Original-Message-ID", id_value(cited, "original")))
    fields.append(("Disposition", f"{mode}; {disposition}{'/error' if error else ''}"))
    if error is not None:
        fields.append(("Error", text_value(_hl7(error), "Error")))
    return fields


def _report(notice: Notice, subject: str, kind: str, parts: Sequence[bytes]) -> bytes:
    letter = Letter(
        message_id=notice.message_id,
        sender=notice.sender,
        to=(notice.to,),
        subject=subject,
        text="",
        sent_at=notice.sent_at,
        in_reply_to=_cited(notice),
        mss={"X-MSS-NIL": notice.product} if notice.product else {},
        auto_submitted="auto-replied",
    )
    mark = hashlib.sha256(notice.message_id.encode()).hexdigest()[:32]
    return field_lines(letter_fields(letter)) + multipart(f"report; report-type={kind}", parts, f"=_n_{mark}")


def _report_part(kind: str, content: bytes) -> bytes:
    return field_lines([("Content-Type", f"message/{kind}")]) + b"\r\n" + content


def _returned(notice: Notice, whole: bool, eight_bit: bool) -> bytes:
    """The original: never in base64 (RFC 2046 §5.2.1), so what is not 7-bit in it is encoded part by part."""
    if whole:
        original = notice.original if travels(notice.original, eight_bit) else seven_bit(notice.original)
        kind = "message/rfc822"
    else:
        _, body = parse_headers(
            notice.original, 0, len(notice.original), _LIMITS.header_lines, len(notice.original) + 1
        )
        original = seven_bit(notice.original[:body].rstrip(b"\r\n") + b"\r\n\r\n")
        kind = "text/rfc822-headers"
    encoding = "7bit" if original.isascii() else "8bit"
    return field_lines([("Content-Type", kind), ("Content-Transfer-Encoding", encoding)]) + b"\r\n" + original


def _header(notice: Notice) -> tuple[Headers, int]:
    size = len(notice.original)
    return parse_headers(notice.original, 0, size, _LIMITS.header_lines, size + 1)


def _cited(notice: Notice) -> str | None:
    """The id of the original, None where it has none that may stand in a field."""
    found = message_ids(_header(notice)[0].get("message-id"))
    return found[0] if found and found[0].isascii() else None


def _word(value: str) -> str:
    """A value without spaces. Raises Refused (bad_header) for anything else."""
    if not value or not value.isascii() or not value.isprintable() or " " in value:
        raise Refused("bad_header", "notice")
    return value


def _recipient(address: str, plain: Callable[[str], str]) -> str:
    """A recipient with its type; one that is not ASCII in the form for reports that are (RFC 6533, 3)."""
    if address.isascii():
        return f"rfc822; {plain(address)}"
    kept = (c if "!" <= c <= "~" and c not in "+=\\" else f"\\x{{{ord(c):X}}}" for c in address)
    return f"utf-8; {''.join(kept)}"


def _xtext(value: str) -> str:
    return "".join(c if "!" <= c <= "~" and c not in "+=" else "".join(f"+{b:02X}" for b in c.encode()) for c in value)
