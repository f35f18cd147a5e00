"""A mail as a message of the hub: the visible reply, its documents as cards and files, the original beside it. Pure."""

from __future__ import annotations

import html as markup
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field

from bridge.capabilities import MAX_TEXT, size
from bridge.model import Body, File
from bridge.networks.mail import documents
from bridge.networks.mail.documents.patient import Patient
from bridge.networks.mail.documents.subject import display
from bridge.networks.mail.documents.words import say
from bridge.networks.mail.mime.alternatives import unsaid
from bridge.networks.mail.mime.mail import Mail
from bridge.networks.mail.mime.safe_html import clean, to_text
from bridge.networks.mail.quoting.new_text import Visible, forwarded, visible

_ROOM = MAX_TEXT - 1024  # bytes of text and HTML as JSON; a link to an earlier exchange may be put above them
_FILES = 24_000_000  # bytes of all files
_CUT = "\n\n[… suite dans le message d'origine · the rest is in the original message]"
_BARE = "\n\n[mise en forme : voir le message d'origine · formatting: see the original message]"
_MAY_HIDE = {  # words of a mail that stand in its original only
    "not_all_shown", "odd_html", "odd_header", "odd_type", "text_around", "plain_differs", "base64_odd", "uuencoded",
}  # fmt: skip
_NAMED = 5  # addresses outside of the conversation
_ORIGINAL = "message-original.eml"


@dataclass(frozen=True, slots=True)
class Content:
    """What is shown of a mail."""

    patients: frozenset[Patient] = field(repr=False)
    _texts: tuple[str, ...] = field(repr=False)
    _parts: tuple[str, ...] = field(repr=False)  # of the HTML
    _rich: bool = field(repr=False)
    _files: tuple[File, ...] = field(repr=False)
    _original: File = field(repr=False)
    _lacks: bool = field(repr=False)  # something that only the original has
    quoted: str = field(repr=False)  # what is folded away because it repeats an earlier mail
    signature: str = field(repr=False)

    def under(self, heading: str, *, told: bool = False) -> Body:
        """The message; ``heading`` goes above it (the subject of a new thread, who wrote to a team) unless empty.

        ``told``: what is folded away was told in this chat before, so the original need not lie beside for it.
        """
        whole = "".join((_paragraph(heading, "b"), *self._parts))
        plain, cut = _short("\n\n".join(part for part in (heading, *self._texts) if part))
        fits = _fits(plain, whole)
        if self._rich and not fits and not cut:
            plain, cut = _bare(plain), True
        folded = bool(self.quoted or self.signature) and not told
        files = _with(self._files, self._original) if cut or folded or self._lacks else self._files
        return Body(plain, whole if fits and (self._rich or heading) else None, files)


def content(mail: Mail, raw: bytes) -> Content:
    """The readable message of a mail."""
    reading = documents.read(mail.files, mail.subject, mail.text)
    shown = _visible(mail) if reading.rest is None else Visible(reading.rest, None, "", "", False)
    text, cut = _short(shown.text.strip())
    html = clean(shown.html, [file.inline for file in mail.files if file.inline]) if shown.html else ""
    if cut or not _fits(text, html):
        text, cut, html = text if cut else _bare(text), True, ""
    texts, parts = [text], [html or _paragraph(text)]
    for card in reading.cards:
        texts.append(card.text)
        parts.append(clean(card.html) if card.html else _paragraph(card.text))
    hides = ("not_all_shown",) if not _MAY_HIDE.isdisjoint(mail.problems) else ()
    for problem in dict.fromkeys((*reading.problems, *hides)):
        odd = "⚠️ " + "\n".join(say(problem))
        texts.append(odd)
        parts.append(_paragraph(odd))
    said = mail.text or mail.html or mail.files or reading.files
    lacks = bool(cut or mail.problems or mail.report or reading.rest is not None or not said)
    if mail.html is not None and shown.html is None:  # its text stands for it
        lacks = lacks or unsaid(to_text(mail.html), mail.text)
    return Content(
        reading.patients, tuple(texts), tuple(parts), bool(html or reading.cards), _files(mail, reading),
        File(_ORIGINAL, "message/rfc822", raw), lacks, shown.quoted, shown.signature,
    )  # fmt: skip


def _visible(mail: Mail) -> Visible:
    """What is new in it. A mail that hands another one on is whole; that is only asked when something was cut."""
    shown = visible(mail.text, mail.html, mail.subject, answers=mail.answers)
    cut = shown.quoted or shown.signature or shown.html != mail.html
    if cut and forwarded(mail.text, mail.subject, answers=mail.answers):
        return Visible(mail.text, mail.html, "", "", False)
    return shown


def heading(mail: Mail) -> str:
    """The subject as it is shown at the head of a new thread."""
    return display(mail.subject).strip()


def addressed(outside: Sequence[str]) -> str:
    """Who a mail is also addressed to without being in the conversation; empty for nobody."""
    if not outside:
        return ""
    some, more = ", ".join(outside[:_NAMED]), len(outside) - _NAMED
    french, english = (f" et {more} autre{'s' if more > 1 else ''}", f" and {more} more") if more > 0 else ("", "")
    return (
        f"Aussi adressé, hors de la conversation : {some}{french}\n"
        f"Also addressed, not in this conversation: {some}{english}"
    )


def _short(text: str) -> tuple[str, bool]:
    """What a room has place for; the original holds the rest."""
    if _fits(text):
        return text, False
    fits = bisect_left(range(_ROOM), True, key=lambda count: not _fits(text[:count] + _CUT))
    return text[: fits - 1] + _CUT, True


def _fits(text: str, html: str | None = None) -> bool:
    """Counted as the hub's door counts, which would refuse what is longer."""
    return size(Body(text, html), _ROOM) <= _ROOM


def _bare(text: str) -> str:
    """The text of a mail whose HTML is too long to be shown."""
    return text if _BARE in text or _CUT in text else text + _BARE


def _paragraph(text: str, tag: str = "") -> str:
    if not text:
        return ""
    inner = markup.escape(text).replace("\n", "<br>")
    return f"<p><{tag}>{inner}</{tag}></p>" if tag else f"<p>{inner}</p>"


def _files(mail: Mail, reading: documents.ReadDocuments) -> tuple[File, ...]:
    """The attachments as they came, what was taken out of them; whatever is too much is left out last."""
    found = mail.files
    for file in reading.files:
        found = _with(found, file)
    return found


def _with(files: tuple[File, ...], file: File) -> tuple[File, ...]:
    """One file more, unless it is there or is too much."""
    if any(file is one for one in files) or sum(one.size for one in files) + file.size > _FILES:
        return files
    return (*files, file)
