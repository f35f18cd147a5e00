"""MAIL and RCPT as they stand on the wire, with the parameters of SIZE, 8BITMIME, SMTPUTF8 and DSN; pure.

Sources: RFC 5321 (4.1.2), RFC 1870, RFC 6152, RFC 6531, RFC 3461 (4).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from bridge.networks.mail.smtp.address import normal
from bridge.networks.mail.smtp.replies import (
    BAD_ADDRESS,
    BAD_PARAMETER,
    MAIL_SYNTAX,
    NEEDS_UTF8,
    RCPT_SYNTAX,
    UNKNOWN_PARAMETER,
    Reply,
)

_ATOM = r"[^\x00-\x20\x7f()<>@,;:\\\".\[\]]+"
_QUOTED = r'"(?:[^"\\\x00-\x1f\x7f]|\\[\x20-\x7e])*"'
_PATH = re.compile(rf"<(?P<box>|(?:{_QUOTED}|{_ATOM}(?:\.{_ATOM})*)(?:@[^\x00-\x20\x7f<>@\"]+)?)>(?:\s+(?P<rest>.*))?")
_PARAMETER = re.compile(r"([A-Za-z0-9][A-Za-z0-9-]*)(?:=([^\x00-\x20=\x7f]+))?")
_XTEXT = re.compile(r"(?:[!-*,-<>-~]|\+[0-9A-F]{2})*")
_NOTIFY = {"SUCCESS", "FAILURE", "DELAY"}
_LONGEST_ADDRESS = 320
_LONGEST_ENVID = 100
_LONGEST_ORCPT = 500


class BadCommand(Exception):
    """The command cannot be read; ``reply`` tells the peer why."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(reply.status)
        self.reply = reply


@dataclass(frozen=True, slots=True)
class MailCommand:
    """``MAIL FROM``: ``sender`` is empty for the null sender, ``size`` in bytes, ``ret`` FULL or HDRS."""

    sender: str = field(repr=False)
    size: int = 0
    envid: str | None = field(default=None, repr=False)
    ret: str | None = None
    utf8: bool = False


@dataclass(frozen=True, slots=True)
class RcptCommand:
    """``RCPT TO``: ``notify`` is None when the peer did not say what it wants to hear (RFC 3461, 4.1)."""

    recipient: str = field(repr=False)
    notify: frozenset[str] | None = None
    orcpt: str | None = field(default=None, repr=False)


def mail(argument: str | None) -> MailCommand:
    """Read what follows ``MAIL``. Raises BadCommand."""
    box, parameters = _read(argument, "FROM:", MAIL_SYNTAX)
    utf8 = _flag(parameters, "SMTPUTF8")
    _choice(parameters, "BODY", {"7BIT", "8BITMIME"})
    size = parameters.pop("SIZE", "0") or ""
    if not re.fullmatch(r"[0-9]{1,20}", size):
        raise BadCommand(BAD_PARAMETER)
    ret = _choice(parameters, "RET", {"FULL", "HDRS"})
    envid = _xtext(parameters, "ENVID", _LONGEST_ENVID)
    _nothing_left(parameters)
    return MailCommand(_address(box, utf8) if box else "", int(size), envid, ret, utf8)


def rcpt(argument: str | None, *, utf8: bool, postmaster: str) -> RcptCommand:
    """Read what follows ``RCPT``; ``<postmaster>`` without a domain is ``postmaster``. Raises BadCommand."""
    box, parameters = _read(argument, "TO:", RCPT_SYNTAX)
    if not box:
        raise BadCommand(BAD_ADDRESS)
    notify = _notify(parameters)
    orcpt = _original(parameters)
    _nothing_left(parameters)
    return RcptCommand(postmaster if box.lower() == "postmaster" else _address(box, utf8), notify, orcpt)


def xtext(text: str) -> str:
    """Encode a parameter's value (RFC 3461, 4); what is not ASCII goes as the bytes of its UTF-8."""
    return "".join(
        chr(byte) if 33 <= byte <= 126 and byte not in b"+=" else f"+{byte:02X}" for byte in text.encode("utf-8")
    )


def _read(argument: str | None, keyword: str, syntax: Reply) -> tuple[str, dict[str, str | None]]:
    text = (argument or "").strip()
    if text[: len(keyword)].upper() != keyword:
        raise BadCommand(syntax)
    match = _PATH.fullmatch(text[len(keyword) :].strip())
    if match is None:
        raise BadCommand(BAD_ADDRESS)
    parameters: dict[str, str | None] = {}
    for word in (match["rest"] or "").split():
        parameter = _PARAMETER.fullmatch(word)
        if parameter is None or parameter[1].upper() in parameters:
            raise BadCommand(BAD_PARAMETER)
        parameters[parameter[1].upper()] = parameter[2]
    return match["box"], parameters


def _address(box: str, utf8: bool) -> str:
    if any("\ud800" <= character <= "\udfff" for character in box):  # bytes that are no UTF-8
        raise BadCommand(BAD_ADDRESS)
    address = normal(box)
    if address is None or len(address) > _LONGEST_ADDRESS:
        raise BadCommand(BAD_ADDRESS)
    if not utf8 and not box.isascii():
        raise BadCommand(NEEDS_UTF8)
    return address


def _flag(parameters: dict[str, str | None], name: str) -> bool:
    present = name in parameters
    if parameters.pop(name, None) is not None:
        raise BadCommand(BAD_PARAMETER)
    return present


def _choice(parameters: dict[str, str | None], name: str, allowed: set[str]) -> str | None:
    if name not in parameters:
        return None
    value = (parameters.pop(name) or "").upper()
    if value not in allowed:
        raise BadCommand(BAD_PARAMETER)
    return value


def _xtext(parameters: dict[str, str | None], name: str, longest: int) -> str | None:
    if name not in parameters:
        return None
    value = parameters.pop(name) or ""
    if not value or len(value) > longest or not _XTEXT.fullmatch(value):
        raise BadCommand(BAD_PARAMETER)
    decoded = re.sub(r"\+([0-9A-F]{2})", lambda match: chr(int(match[1], 16)), value)
    if not decoded.isascii() or not decoded.isprintable():
        raise BadCommand(BAD_PARAMETER)
    return decoded


def _original(parameters: dict[str, str | None]) -> str | None:
    """ORCPT as it came: whoever reports about the mail gives it back unchanged."""
    if "ORCPT" not in parameters:
        return None
    value = parameters.pop("ORCPT") or ""
    kind, semicolon, address = value.partition(";")
    if len(value) > _LONGEST_ORCPT or not kind.isascii() or not semicolon or not address or not address.isprintable():
        raise BadCommand(BAD_PARAMETER)
    return value


def _notify(parameters: dict[str, str | None]) -> frozenset[str] | None:
    if "NOTIFY" not in parameters:
        return None
    wanted = (parameters.pop("NOTIFY") or "").upper().split(",")
    if wanted == ["NEVER"]:
        return frozenset()
    if not set(wanted) <= _NOTIFY:
        raise BadCommand(BAD_PARAMETER)
    return frozenset(wanted)


def _nothing_left(parameters: dict[str, str | None]) -> None:
    if parameters:
        raise BadCommand(UNKNOWN_PARAMETER)
