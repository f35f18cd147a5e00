"""What was said in chat as a mail: one letter of everything gathered in a thread. Pure."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from bridge.model import File
from bridge.networks.mail.letters.compose import Letter
from bridge.networks.mail.mime.boxes import Box

Json = dict[str, Any]
_FOOTER = (
    "Message d'une conversation Liaison : répondez à tous pour que chacun lise votre réponse.\n"
    "From a Liaison conversation: reply to all so that everybody reads your answer."
)
_ROOM = "\nÉcrire à toute la conversation · write to the whole conversation: "

_CORRECTED = {
    "edit": "[Correction d'un message précédent · corrects an earlier message]",
    "removal": "[Un message précédent a été retiré par son auteur · an earlier message was taken back by its author]",
}
_CORRECTED_AT = {
    "edit": "[Correction du message du {0} · corrects the message of {0}]",
    "removal": "[Le message du {0} a été retiré par son auteur · the message of {0} was taken back by its author]",
}
try:
    _ZONE: tzinfo = ZoneInfo("Europe/Paris")
except ZoneInfoNotFoundError:  # a system without the database of time zones
    _ZONE = UTC


@dataclass(frozen=True, slots=True)
class ChatMessage:
    """One message of the chat. ``at`` in milliseconds since 1970."""

    id: str
    at: int
    sender: Box
    text: str = field(repr=False)
    html: str | None = field(default=None, repr=False)
    files: tuple[File, ...] = field(default=(), repr=False)
    correction: str = ""  # edit, removal
    rpps: str = ""  # of the writer
    asked: bool = False  # for the conforming form of the documents
    readers: tuple[Box, ...] = ()  # the mailboxes that were members when it was said
    corrects: int = 0  # when what it corrects was said, in milliseconds since 1970; 0: unknown

    @property
    def taken_back(self) -> bool:
        """Whether nothing of it is left to be sent."""
        return not (self.text.strip() or self.files or self.asked or self.correction)


@dataclass(frozen=True, slots=True)
class Frame:
    """Everything around what was said. ``team``: any member writes in this mailbox's name."""

    to: tuple[Box, ...]
    cc: tuple[Box, ...]
    subject: str = field(repr=False)
    room: Box
    in_reply_to: str | None
    references: tuple[str, ...]
    mss: Mapping[str, str] = field(default_factory=dict)
    want_mdn: bool = False
    team: Box | None = None


def letter(message_id: str, said: Sequence[ChatMessage], frame: Frame) -> Letter:
    """The mail of some messages of one thread, oldest first (at least one)."""
    writers = list(dict.fromkeys(one.sender for one in said))
    sender = frame.team or (writers[0] if len(writers) == 1 else _together(writers, frame.room))
    named = len(writers) > 1 or frame.team is not None
    footer = _footer(frame)
    return Letter(
        message_id=message_id,
        sender=sender,
        to=frame.to,
        cc=tuple(box for box in frame.cc if box.address != sender.address),
        subject=frame.subject,
        text=_text(said, footer, named=named),
        html=_html(said, footer, named=named) if any(one.html for one in said) else None,
        files=tuple(file for one in said for file in one.files),
        in_reply_to=frame.in_reply_to,
        references=frame.references,
        sent_at=said[-1].at,
        mss=dict(frame.mss),
        want_mdn=sender if frame.want_mdn else None,
    )


def _together(writers: Sequence[Box], room: Box) -> Box:
    names = ", ".join(writer.name or writer.address for writer in writers[:3])
    return Box(room.address, f"{names}{' …' if len(writers) > 3 else ''}")


def _footer(frame: Frame) -> str:
    """How to answer. Whom a team writes to may not write into its conversation: its address stays inside."""
    room = frame.room.address if frame.team is None else ""
    return _FOOTER + (f"{_ROOM}{room}" if room.startswith("salon-") else "")


def _text(said: Sequence[ChatMessage], footer: str, *, named: bool) -> str:
    parts = []
    for one in said:
        who = f"{one.sender.name} :\n" if named else ""
        parts.append(f"{who}{_corrected(one)}\n{one.text}".rstrip() if one.correction else f"{who}{one.text}".rstrip())
    return "\n\n".join(part for part in parts if part) + f"\n\n-- \n{footer}\n"


def _corrected(one: ChatMessage) -> str:
    """Which message it corrects: the words are no longer kept once they have left, the time is."""
    if not one.corrects:
        return _CORRECTED[one.correction]
    at = datetime.fromtimestamp(one.corrects / 1000, _ZONE)
    return _CORRECTED_AT[one.correction].format(f"{at:%d/%m/%Y %H:%M %Z}")


def _html(said: Sequence[ChatMessage], footer: str, *, named: bool) -> str:
    parts = []
    for one in said:
        who = f"<p><b>{html.escape(one.sender.name)}</b></p>" if named else ""
        who += f"<p><i>{html.escape(_corrected(one))}</i></p>" if one.correction else ""
        body = one.html or "<p>" + html.escape(one.text).replace("\n", "<br>") + "</p>"
        parts.append(who + body)
    last = html.escape(footer).replace("\n", "<br>")
    return "".join(parts) + f"<p>-- <br><small>{last}</small></p>"
