"""A mail to a conversation's address, for the mailboxes of the conversation that its author did not write to. Pure."""

from __future__ import annotations

import hashlib
import html as markup
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from bridge.errors import Refused
from bridge.model import File
from bridge.networks.mail.letters.compose import Letter
from bridge.networks.mail.letters.writing import id_value
from bridge.networks.mail.mime.boxes import Box
from bridge.networks.mail.mime.mail import Mail
from bridge.networks.mail.mime.safe_html import clean, to_text

COPY_HEADER = "X-Liaison-Copy"
_MSS = re.compile(r"X-MSS-[A-Z0-9-]{1,30}")
_ORIGINAL = "message-original.eml"
_LOST = frozenset({"text_cut", "charset", "signed", "encrypted"})  # what a copy cannot hold: the original goes along
_SMALL = 5_000_000  # bytes; beyond that it does not


def copied(mail: Mail, own: Collection[str]) -> bool:
    """Whether a mail is handed on: somebody wrote it, and it is no copy itself. ``own``: the hub's domains."""
    assert mail.sender is not None
    written = mail.automatic is None and mail.report is None and mail.headers.get(COPY_HEADER.lower()) == ""
    return written and mail.sender.domain not in own and (mail.message_id or "").rpartition("@")[2].lower() not in own


def copy_id(mail: Mail, chat: str, ref: str) -> str:
    """The name of the copy: the same for ever."""
    return "k_" + hashlib.sha256(f"{chat}\n{ref}\n{mail.digest}".encode("utf-8", "replace")).hexdigest()[:32]


def copy_letter(
    message_id: str, mail: Mail, raw: bytes, room: Box, to: Sequence[Box], mss: Mapping[str, str]
) -> Letter:
    """All of it, in the name of the room: nobody speaks with an address of another operator.

    ``raw`` are the mail's bytes; ``mss`` the hub's own X-MSS fields, those about the documents stay.
    """
    assert mail.sender is not None
    who = (mail.sender.name or mail.sender.address).partition("@")[0].strip()  # an address would look like a forgery
    footer = _footer(mail.sender, room)
    body = mail.text if mail.text.strip() or not mail.html else to_text(mail.html)
    files = tuple(_usable(file) for file in mail.files)
    if not _LOST.isdisjoint(mail.problems) and mail.size <= _SMALL:
        files += (File(_ORIGINAL, "message/rfc822", raw),)
    own = [mail.message_id] if mail.message_id else []
    cited = [one for one in [*mail.references, *mail.in_reply_to, *own] if _is_id(one)]
    return Letter(
        message_id=message_id,
        sender=Box(room.address, f"{who} via Liaison"),
        reply_to=(room,),
        to=tuple(to),
        subject=mail.subject,
        text=f"{body.rstrip()}\n\n-- \n{footer}\n",
        html=_html(mail, files, footer) if mail.html else None,
        files=files,
        in_reply_to=cited[-1] if own and cited[-1:] == own else None,
        references=tuple(cited),
        sent_at=mail.sent_at or 0,
        mss={
            **{name: value for name, value in mail.mss.items() if _MSS.fullmatch(name) and name != "X-MSS-NIL"},
            **mss,
        },
        extra={COPY_HEADER: "yes"},
    )


def _footer(author: Box, room: Box) -> str:
    who = f"{author.name} <{author.address}>" if author.name else author.address
    return (
        f"Écrit par {who} à toute la conversation Liaison : votre réponse ira à tous.\n"
        f"Written by {who} to the whole Liaison conversation: your answer goes to everybody.\n"
        f"{room.address}"
    )


def _html(mail: Mail, files: Sequence[File], footer: str) -> str:
    shown = clean(mail.html or "", [file.inline for file in files if file.inline])
    last = markup.escape(footer).replace("\n", "<br>")
    return f"{shown}<p>-- <br><small>{last}</small></p>"


def _usable(file: File) -> File:
    """A picture whose id cannot stand in a field is a document like others."""
    return file if file.inline is None or _is_id(file.inline) else replace(file, inline=None)


def _is_id(ident: str) -> bool:
    try:
        id_value(ident, "")
    except Refused:
        return False
    return True
