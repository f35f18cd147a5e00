"""What was said in chat as a mail: one letter of everything gathered in a thread. Pure."""

from __future__ import annotations

import html
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, tzinfo
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from bridge.capabilities import URGENT
from bridge.model import File
from bridge.networks.mail.letters.compose import Letter
from bridge.networks.mail.mime.boxes import Box
from bridge.networks.mail.mime.charsets import one_line
from bridge.networks.mail.mime.file_names import safe_name

Json = dict[str, Any]
_FOOTER = (
    "Message d'une conversation Liaison{} : répondez à tous pour que chacun lise votre réponse.\n"
    "From a Liaison conversation: reply to all so that everybody reads your answer."
)
_GAP = 600_000  # ms of silence after which one writer's next message has its time again
UNREACTION = "unreaction"  # a correction: a reaction that has left is taken back
_SUBJECT = 70  # characters of a message in a subject
_GREETING = re.compile(
    r"(?i)\s*(?:bonjour|bonsoir|salut|coucou|ch[eè]re?s?|hello|dear|hi)\b[^\n,.!:]{0,40}(?:[,.!:]+|\n)\s*"
)
_ROOM = "\nÉcrire à toute la conversation · write to the whole conversation: "

_PAGE = '<!DOCTYPE html><html lang="fr"><head><meta charset="utf-8"></head><body>'
_CORRECTED = {
    "edit": "[Correction d'un message précédent · corrects an earlier message]",
    "removal": "[Un message précédent a été retiré par son auteur · an earlier message was taken back by its author]",
}
_CORRECTED_AT = {
    "edit": "[Correction du message du {0} · corrects the message of {0}]",
    "removal": "[Le message du {0} a été retiré par son auteur · the message of {0} was taken back by its author]",
}
_UNREACTION = "[Une réaction a été retirée · a reaction was taken back]"
_MODERATED = (("par son auteur", "par un modérateur"), ("by its author", "by a moderator"))
_REACTIONS = "Réactions · reactions: "
try:
    _ZONE: tzinfo = ZoneInfo("Europe/Paris")
    _HOURS = "heures de Paris"
except ZoneInfoNotFoundError:  # a system without the database of time zones
    _ZONE, _HOURS = UTC, "heures UTC"


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
    profession: str = ""  # of the writer, as the directory has it
    place: str = ""
    urgent: bool = False  # its writer says so
    moderated: bool = False  # a removal by somebody who keeps order in the chat
    reaction: str = field(default="", repr=False)  # instead of words, to what was said at ``corrects``

    @property
    def taken_back(self) -> bool:
        """Whether nothing of it is left to be sent."""
        return not (self.text.strip() or self.files or self.asked or self.correction or self.reaction)


@dataclass(frozen=True, slots=True)
class Frame:
    """Everything around what was said. ``team``: any member writes in this mailbox's name.

    ``name`` is what the conversation is called: it stands above what was said.
    """

    to: tuple[Box, ...]
    cc: tuple[Box, ...]
    subject: str = field(repr=False)
    room: Box
    in_reply_to: str | None
    references: tuple[str, ...]
    mss: Mapping[str, str] = field(default_factory=dict)
    want_mdn: bool = False
    team: Box | None = None
    name: str = field(default="", repr=False)


def letter(message_id: str, said: Sequence[ChatMessage], frame: Frame) -> Letter:
    """The mail of some messages of one thread, oldest first (at least one that is more than a reaction)."""
    head = _head(said, frame)
    said = [one for one in said if not one.reaction]
    writers = list(dict.fromkeys(one.sender for one in said))
    sender = frame.team or (writers[0] if len(writers) == 1 else _together(writers, frame.room))
    pauses = any(after.at - before.at >= _GAP for before, after in pairwise(said) if not before.correction)
    named = len(writers) > 1 or frame.team is not None or pauses
    footer = _footer(frame, said[-1], named=named)
    return Letter(
        message_id=message_id,
        sender=sender,
        to=frame.to,
        cc=tuple(box for box in frame.cc if box.address != sender.address),
        subject=frame.subject,
        text="".join(f"{line}\n\n" for line in head) + _text(said, footer, named=named),
        html=_html(said, footer, head, named=named) if any(one.html for one in said) else None,
        files=tuple(file for one in said for file in one.files),
        in_reply_to=frame.in_reply_to,
        references=frame.references,
        sent_at=said[-1].at,
        mss=dict(frame.mss),
        want_mdn=sender if frame.want_mdn else None,
        urgent=any(one.urgent for one in said),
    )


def subject_of(said: Sequence[ChatMessage], name: str = "", *, words: bool) -> str:
    """The subject of what has none: who writes and, with ``words``, how it begins: one mail is told from another.

    A greeting is no beginning. The subject travels and rests with the body, within the trust space. ``name`` stands
    before it, and before everything that it is urgent: a secretary sees the subject first.
    """
    new = [one for one in said if not one.correction and not one.reaction] or list(said)
    names = list(dict.fromkeys(_name(one) for one in new))
    who = ", ".join(names[:3]) + (" …" if len(names) > 3 else "")
    first = next((begun for one in new if words and (begun := _beginning(one))), "")
    subject = f"{who} : {first}" if first else f"Message de {who}"
    subject = f"{name} – {subject}" if name else subject
    return f"{URGENT}{subject}" if any(one.urgent for one in new) else subject


def _beginning(one: ChatMessage) -> str:
    words = one.text.removeprefix(URGENT) if one.urgent else one.text
    text = one_line(_GREETING.sub("", words[:500], count=1) or words[:500], 500)
    text = text or ", ".join(_file_names(one))
    if len(text) <= _SUBJECT:
        return text
    cut = text[:_SUBJECT].rpartition(" ")[0]
    return (cut if len(cut) > _SUBJECT // 2 else text[:_SUBJECT]).rstrip(" ,;:.") + "…"


def _together(writers: Sequence[Box], room: Box) -> Box:
    names = ", ".join(writer.name or writer.address for writer in writers[:3])
    return Box(room.address, f"{names}{' …' if len(writers) > 3 else ''}")


def _footer(frame: Frame, last: ChatMessage, *, named: bool) -> str:
    """The writer's profession where no heading says it, and how to answer.

    Whom a team writes to may not write into its conversation: its address stays inside.
    """
    room = frame.room.address if frame.team is None else ""
    own = ", ".join(part for part in (_name(last), _profession(last), last.place) if part)
    signed = f"{own}\n" if not named and (last.profession or last.place) else ""
    hours = f" ({_HOURS})" if named else ""
    return signed + _FOOTER.format(hours) + (f"{_ROOM}{room}" if room.startswith("salon-") else "")


def _runs(said: Sequence[ChatMessage]) -> list[list[ChatMessage]]:
    """The messages that stand under one heading: of one writer, without a long silence between them."""
    runs = [[said[0]]]
    for before, one in pairwise(said):
        if one.sender == before.sender and one.at - before.at < _GAP:
            runs[-1].append(one)
        else:
            runs.append([one])
    return runs


def _heading(one: ChatMessage, last: int) -> str:
    """``Cléo Petit, pharmacien · 9:31``; with its date where the mail's last message is of another day."""
    at, end = (datetime.fromtimestamp(moment / 1000, _ZONE) for moment in (one.at, last))
    day = "" if at.date() == end.date() else f"{at:%d/%m/%Y} "
    who = ", ".join(part for part in (_name(one), _profession(one)) if part)
    return f"{who} · {day}{at.hour}:{at:%M}"


def _name(one: ChatMessage) -> str:
    return one.sender.name or one.sender.address


def _profession(one: ChatMessage) -> str:
    """Within a line: ``Pharmacien`` begins small, ``IDE`` stays."""
    word = one.profession.strip()
    return word[:1].lower() + word[1:] if word[1:2].islower() else word


def _file_names(one: ChatMessage) -> list[str]:
    """The files of a message as the mail names them, but for the one whose name is the whole text."""
    names = [safe_name(file.name, file.mime.lower()) for file in one.files]
    shown = [f"{_medium(file)}{name}" for file, name in zip(one.files, names, strict=True)]
    return [] if shown == [one.text.strip()] else shown


def _medium(file: File) -> str:
    """What a name does not tell of a file: that somebody has spoken it, and for how long."""
    if file.sticker:
        return "autocollant · sticker: "
    seconds = None if file.duration_ms is None else round(file.duration_ms / 1000)
    length = "" if seconds is None else f"{seconds // 60}:{seconds % 60:02}"
    if file.voice:
        return f"message vocal · voice message{f', {length}' if length else ''}: "
    return f"{length} · " if length else ""


def _head(said: Sequence[ChatMessage], frame: Frame) -> list[str]:
    """The lines above what was said: what the conversation is called, and who reacted to what was said before."""
    shown = ", ".join(f"{one.reaction} {_name(one)}{_when(one, said[-1].at)}" for one in said if one.reaction)
    return [
        line for line in (f"« {frame.name} »" if frame.name else "", f"{_REACTIONS}{shown}" if shown else "") if line
    ]


def _when(one: ChatMessage, last: int) -> str:
    """The time of what somebody reacts to: readers find it by that in the mails that they have."""
    if not one.corrects:
        return ""
    at, end = (datetime.fromtimestamp(moment / 1000, _ZONE) for moment in (one.corrects, last))
    day = "" if at.date() == end.date() else f"{at:%d/%m/%Y} "
    return f" ({day}{at.hour}:{at:%M})"


def _text(said: Sequence[ChatMessage], footer: str, *, named: bool) -> str:
    parts = []
    for run in _runs(said):
        words = [block for one in run if (block := _words(one))]
        heading = f"{_heading(run[0], said[-1].at)}\n" if named and words else ""
        parts.append(heading + "\n\n".join(words))
    return "\n\n".join(part for part in parts if part) + f"\n\n-- \n{footer}\n"


def _words(one: ChatMessage) -> str:
    """A message as text: what it corrects, its words, the names of its files."""
    lines = [_corrected(one) if one.correction else "", one.text.rstrip(), *(f"[{name}]" for name in _file_names(one))]
    return "\n".join(part for part in lines if part)


def _corrected(one: ChatMessage) -> str:
    """Which message it corrects: the words are no longer kept once they have left, the time is."""
    if one.correction == UNREACTION:
        return _UNREACTION
    words = _CORRECTED[one.correction]
    if one.corrects:
        at = datetime.fromtimestamp(one.corrects / 1000, _ZONE)
        words = _CORRECTED_AT[one.correction].format(f"{at:%d/%m/%Y %H:%M %Z}")
    for author, moderator in _MODERATED if one.moderated else ():
        words = words.replace(author, moderator)
    return words


def _html(said: Sequence[ChatMessage], footer: str, head: Sequence[str], *, named: bool) -> str:
    parts = [f"<p><b>{html.escape(line)}</b></p>" for line in head]
    for run in _runs(said):
        words = [block for one in run if (block := _rich(one))]
        parts += [f"<p><b>{html.escape(_heading(run[0], said[-1].at))}</b></p>"] if named and words else []
        parts += words
    last = html.escape(footer).replace("\n", "<br>")
    return f"{_PAGE}{''.join(parts)}<p>-- <br><small>{last}</small></p></body></html>"


def _rich(one: ChatMessage) -> str:
    """The same as HTML; a picture that stands in it needs no name."""
    body = one.html or ("<p>" + html.escape(one.text).replace("\n", "<br>") + "</p>" if one.text.strip() else "")
    apart = replace(one, files=tuple(file for file in one.files if not file.inline or f"cid:{file.inline}" not in body))
    names = "".join(f"<p>[{html.escape(name)}]</p>" for name in _file_names(apart))
    return (f"<p><i>{html.escape(_corrected(one))}</i></p>" if one.correction else "") + body + names
