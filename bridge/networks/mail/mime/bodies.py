"""Which parts of a mail are its readable body and which are documents (RFC 2046, 2183, 2387). Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from html import escape, unescape

from bridge.model import File
from bridge.networks.mail.mime.alternatives import differences, unsaid
from bridge.networks.mail.mime.charsets import decode, one_line, readable, visible
from bridge.networks.mail.mime.file_names import better_mime, safe_name
from bridge.networks.mail.mime.flowed import unflow
from bridge.networks.mail.mime.headers import words
from bridge.networks.mail.mime.parts import MailLimits, Part
from bridge.networks.mail.mime.safe_html import content_ids, is_torn, to_text

_HTML = {"text/html", "text/x-amp-html", "text/watch-html"}
_THIRD = {"text/x-amp-html", "text/watch-html", "text/enriched", "text/richtext"}  # mostly a form of the same words
_DATA = {  # texts for programs: files, wherever they stand (any other is read as plain text: RFC 2046, 4.1.4)
    "text/calendar", "text/css", "text/csv", "text/directory", "text/ecmascript", "text/javascript",
    "text/rfc822-headers", "text/rtf", "text/tab-separated-values", "text/tnef", "text/vcard", "text/x-vcard",
    "text/x-vcalendar", "text/xml", "text/xml-external-parsed-entity",
}  # fmt: skip
_FOR_MACHINES = {  # read by reports
    "message/delivery-status", "message/disposition-notification", "message/global-delivery-status",
    "message/global-disposition-notification", "message/global-headers", "text/rfc822-headers",
}  # fmt: skip
_MAY_HIDE = re.compile(
    r"(?i)hidden|display\s*:\s*none|mso-hide"
    r"|<(?:textarea|select|option|button|object|noscript|noframes|noembed|iframe|map|applet|svg|math|template|audio|video|canvas)\b"
)
_NO_WORDS = re.compile(r"(?is)<(script|style|head)\b.{0,200000}?</\1\s*>|<!--.{0,200000}?-->")
_STUB = re.compile(
    r"(?i)(not|cannot|ne|pas|doesn.t)\b.{0,60}(support|prend|affich|display|view|lire|read).{0,60}html"
    r"|html.{0,60}(requis|required)"
)


@dataclass(frozen=True, slots=True)
class MailBody:
    """What a mail says: readable text, HTML as decoded (not sanitised), documents, and codes of what was odd."""

    text: str = field(repr=False)
    html: str | None = field(repr=False)
    files: tuple[File, ...] = field(repr=False)
    problems: tuple[str, ...] = ()


@dataclass(slots=True)
class _Piece:
    """A part of the body: plain, HTML, or both as alternatives."""

    plain: str | None = None
    html: str | None = None


@dataclass(slots=True)
class _Reader:
    limits: MailLimits
    pieces: list[_Piece] = field(default_factory=list)
    others: list[str] = field(default_factory=list)  # the text of forms that were not chosen
    loose: list[tuple[Part, str]] = field(default_factory=list)  # documents and their Content-ID
    problems: set[str] = field(default_factory=set)

    def take(self, part: Part, first: bool = True) -> None:
        """Sorts one part; ``first``: it stands where the body of a mail stands."""
        self.problems.update(part.problems)
        if part.mime == "multipart/alternative":
            self.alternative(part)
        elif part.mime == "multipart/related":
            self.related(part, first)
        elif part.mime == "multipart/report" and part.parts:
            self.take(part.parts[0], first)
            self.loose += [(one, "") for one in part.parts[1:] if one.mime not in _FOR_MACHINES]
        elif part.parts:
            for count, one in enumerate(part.parts):
                self.take(one, first and count == 0)
        elif is_body(part, first):
            text = self.text(part)
            self.pieces.append(_Piece(html=text) if part.mime in _HTML else _Piece(plain=text))
        elif part.end > part.start or part.headers.fields:
            self.loose.append((part, _content_id(part)))

    def alternative(self, part: Part) -> None:
        """The last form that can be shown is the best (RFC 2046 §5.1.4): HTML, and the plain text beside it.

        A form may come in several pieces, as Apple writes HTML with a document in the middle.
        """
        plain, html = list[str](), list[str]()
        for one in part.parts:
            form = self.form(one)
            whole = _joined_html(form)
            if whole is None:
                plain += [text] if (text := _joined([piece.plain or "" for piece in form])).strip() else []
            elif one.mime in _THIRD:
                self.others.append(_all_text(whole))
            else:
                html.append(whole)
                plain += [text] if (text := self.beside(form)) else []
        if plain or html:
            self.pieces.append(_Piece(plain[0] if plain else None, html[-1] if html else None))
        self.others += plain[1:] + [_all_text(one) for one in html[:-1]]

    def form(self, part: Part) -> list[_Piece]:
        """One of the forms of an alternative, in reading order; documents in it are documents of the mail."""
        if not part.parts and part.mime in _THIRD:
            return [_Piece(html=self.text(part))]
        before = len(self.pieces)
        self.take(part)
        made = self.pieces[before:]
        del self.pieces[before:]
        return made

    def beside(self, form: list[_Piece]) -> str:
        """The plain text that such a form has of its own."""
        if all(piece.plain is None for piece in form):
            return ""
        return _joined([self.shown(piece) for piece in form])

    def related(self, part: Part, first: bool) -> None:
        start = part.type.get("start").strip("<> ")
        root = next((one for one in part.parts if start and _content_id(one) == start), part.parts[0])
        self.take(root, first)
        for one in part.parts:
            if one is root:
                continue
            if one.parts:
                self.take(one, False)
            else:
                self.loose.append((one, _content_id(one)))

    def text(self, part: Part) -> str:
        """The decoded text, cut at the limit; it stays whole in the mail itself."""
        data, odd = part.decoded()
        self.problems |= {odd} if odd else set()
        most = self.limits.html if part.mime in _HTML else self.limits.text
        if len(data) > most * 4:
            data = data[: most * 4]
        text, right = decode(data, _charset(part, data))
        if not right:
            self.problems.add("charset")
        text = readable(text)
        if part.mime in _HTML and is_torn(text):
            self.problems.add("odd_html")
        if len(text) > most:
            text = text[:most]
            self.problems.add("text_cut")
        if part.mime == "text/plain" and part.type.get("format").lower() == "flowed":
            return unflow(text, part.type.get("delsp").lower() == "yes")
        return text

    def shown(self, piece: _Piece) -> str:
        """The plain text, or that of the HTML where the plain one says nothing or less."""
        plain = piece.plain or ""
        if piece.html is None:
            return plain
        rich = to_text(piece.html, self.limits.text)
        if not plain.strip() or (len(plain) < 400 and _STUB.search(plain)):
            return rich or plain
        found = differences(rich, plain)
        if found.plain_says_more or (found.rich_says_more and found.plain_has_own):
            self.problems.add("plain_differs")
        return rich if found.rich_says_more else plain

    def check(self, text: str, html: str | None) -> None:
        """Notes whether words of the mail are in none of its shown forms."""
        if html is not None and _MAY_HIDE.search(html):
            self.others.append(_all_text(html))
        if self.others:
            rich = "" if html is None else to_text(html, self.limits.text)
            if any(unsaid(other, text, rich) for other in self.others):
                self.problems.add("not_all_shown")

    def file(self, part: Part, inline: str | None) -> File:
        """A document as it is handed on."""
        if part.parts:  # an alternative or a multipart where a report has its original: kept as it came
            return File("part.txt", "application/octet-stream", part.body)
        data, odd = part.decoded()
        self.problems |= {odd} if odd else set()
        mime = better_mime(part.mime, data)
        return File(safe_name(file_name(part), mime), mime, data, inline)


def is_body(part: Part, first: bool) -> bool:
    """Whether a part is something to read: text or HTML, no attachment, nameless unless it comes first."""
    if not part.mime.startswith("text/") or part.mime in _DATA:
        return False
    disposition = part.disposition
    if disposition.value == "attachment" or disposition.get("filename"):
        return False
    return (first and part.mime in ("text/plain", "text/html")) or not part.type.get("name")


def read_body(root: Part, limits: MailLimits) -> MailBody:
    """The readable body and the documents of a mail. Never raises; what is cut or odd is in ``problems``."""
    reader = _Reader(limits)
    reader.take(root)
    html = _joined_html(reader.pieces)
    if html is not None and len(html) > limits.html:
        html = html[: limits.html]
        reader.problems.add("text_cut")
    text = _joined([reader.shown(piece) for piece in reader.pieces])
    reader.check(text, html)
    if len(text) > limits.text:
        text = text[: limits.text]
        reader.problems.add("text_cut")
    shown = content_ids(html) if html else frozenset()
    files = tuple(reader.file(part, cid if cid and cid in shown else None) for part, cid in reader.loose)
    return MailBody(text, html, files, tuple(sorted(reader.problems)))


def _joined(texts: list[str]) -> str:
    return "\n\n".join(bare for text in texts if (bare := text.strip("\n")).strip())


def _all_text(html: str) -> str:
    """Every word between tags, also of what is not displayed; scripts and styles are no words."""
    return visible(readable(unescape(re.sub(r"<[a-zA-Z/!?][^<>]*>", " ", _NO_WORDS.sub(" ", html)))))


def _joined_html(pieces: list[_Piece]) -> str | None:
    """One HTML of all pieces; None if there is none in any."""
    if all(piece.html is None for piece in pieces):
        return None
    if len(pieces) == 1:
        return pieces[0].html
    return "\n".join(piece.html if piece.html is not None else _as_html(piece.plain or "") for piece in pieces)


def _as_html(text: str) -> str:
    return "<div>" + escape(text.strip("\n")).replace("\n", "<br>\n") + "</div>" if text.strip() else ""


def _charset(part: Part, data: bytes) -> str:
    """The label of the part, else what HTML says of itself."""
    label = part.type.get("charset")
    if label or part.mime != "text/html":
        return label
    found = re.search(rb"(?i)<meta[^>]{0,200}?charset\s*=\s*[\"']?([a-z0-9_-]{1,40})", data[:2048])
    return found[1].decode("ascii") if found else ""


def _content_id(part: Part) -> str:
    return part.headers.get("content-id").strip().strip("<>").strip()[:400]


def file_name(part: Part) -> str:
    """The name that the sender gave the part, as written; empty if none."""
    return part.disposition.get("filename") or part.type.get("name") or _bare_name(part)


def _bare_name(part: Part) -> str:
    """Some programs write ``Content-Description`` only; it is a name if it looks like one."""
    described = one_line(words(part.headers.get("content-description")), 200)
    return described if re.fullmatch(r"[^/\\]{1,150}\.[A-Za-z0-9]{2,4}", described) else ""
