"""What begins a quotation in a mail's text: the attributions, header blocks and separators of mail programs. Pure.

Sources: what the programs themselves write, French and English; RFC 3676 §4.5 for ``>``. No pattern here can backtrack
far: each looks at a bounded piece of one line, or at a few lines joined.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

MOST_LINE = 500  # characters of a line that are looked at; attributions and header fields are shorter
MOST_BLOCK = 60  # lines of a header block; long lists of recipients wrap
_SPACES = str.maketrans(
    {"\u00a0": " ", "\u202f": " ", "\u2009": " ", "\ufeff": "", "\u200b": "", "\u2019": "'", "\t": " "}
)
_ODD = re.compile("[" + "".join(map(chr, _SPACES)) + "]")


class MarkKind(Enum):
    """What a mark announces."""

    QUOTE = "quote"  # an attribution ("Le …, X a écrit :")
    BLOCK = "block"  # header fields ("De : … Envoyé : …"), with or without a separator
    FORWARD = "forward"  # somebody else's mail handed on: content


@dataclass(frozen=True, slots=True)
class Mark:
    """Lines ``start`` to before ``body`` announce a quotation; ``strong`` ones do so without ``>`` after them."""

    start: int
    body: int
    kind: MarkKind
    strong: bool


@dataclass(frozen=True, slots=True)
class View:
    """The lines of a text made comparable: spaces and apostrophes alike, ``>`` counted apart. All of one length."""

    numbers: tuple[int, ...]  # which line of the whole text each one is
    plain: tuple[str, ...]
    depth: tuple[int, ...]  # how many ``>`` begin the line

    def __len__(self) -> int:
        return len(self.plain)

    def pick(self, places: Sequence[int]) -> View:
        """Only the lines at these places."""
        return View(
            tuple(self.numbers[p] for p in places),
            tuple(self.plain[p] for p in places),
            tuple(self.depth[p] for p in places),
        )


def look(lines: Sequence[str]) -> View:
    """The view of a text's lines."""
    cleaned = [line if line == "-- " else _alike(line[:MOST_LINE]) for line in lines]
    bare = [line.lstrip("> ") if line.startswith(">") else line for line in cleaned]
    depth = [line[: len(line) - len(rest)].count(">") for line, rest in zip(cleaned, bare, strict=True)]
    return View(tuple(range(len(lines))), tuple(bare), tuple(depth))


def _alike(line: str) -> str:
    """Translating is slow with accents: only where there is something to translate."""
    return (line.translate(_SPACES) if _ODD.search(line) else line).strip()


_MONTH = (
    r"(?:janv|févr?|fevr?|mars|avr|mai|juin|juil|août|aout|sept|oct|nov|déc|dec|jan|feb|mar|apr|may|jun|jul|aug|sep)"
    r"[a-zéû]{0,7}\.?"
)
_DATE = re.compile(
    rf"\b\d{{1,2}}(?:[./-]\d{{1,2}}[./-]\d{{2,4}}|(?:er)?[ -]{_MONTH},?[ -]\d{{2,4}})\b"
    rf"|\b\d{{4}}[-/]\d{{2}}[-/]\d{{2}}\b|\b{_MONTH} \d{{1,2}}(?:st|nd|rd|th)?,? \d{{2,4}}\b",
    re.I,
)
_TIME = re.compile(r"\b\d{1,2} ?[:h] ?\d{2}\b", re.I)
_ADDRESS = re.compile(r"[\w.+'=-]{1,64}@[\w-]{1,63}\.[\w.-]{1,190}")
_SAYS = re.compile(r"\b(?:(?:a|ont) [ée]crit|wrote) ?: ?[-*_]{0,60}$", re.I)
_TOLD = re.compile(r"[ée]crit|wrote", re.I)
_BEGINNINGS = frozenset("-_=*mM")  # of separators, and of "Message du …"
_OPENS = re.compile(r"[-*_ ]{0,60}(?:le|on)\b", re.I)
_SOMEBODY = re.compile(
    r"(?:,|\d) (?:(?:le|la|les|un|une|mon|ma|son|sa|the|his|her|our|my) |l')[^,<@]{1,40} (?:a|ont|wrote)\b"
)
_DASHED = re.compile(r"-{3,60} ?(.{2,300}) (?:a [ée]crit|wrote) ?:? ?-{3,60}$", re.I)
_OLD_GMAIL = re.compile(r"\d{4}-\d{2}-\d{2} \d{1,2}:\d{2} (?:GMT|UTC)[^<]{1,120}<[^<>]{3,200}> ?:$")
_QUOTING = re.compile(r"(?:quoting|citation de|en réponse à) .{1,200}:$", re.I)
_FRAMED = re.compile(r"[-_=*]{2,80} ?([^-_=*].{2,200}?)[ :]{0,2}[-_=*]{2,80}$")
_RULE = re.compile(r"(?:_{10,}|-{10,}|={10,}|\*{10,})$")
_ORANGE = re.compile(r"message du ?:? ?\d{1,2}/\d{2}/\d{2,4}", re.I)
_FIELD = re.compile(r"\*{0,2}([A-Za-zÀ-ÿ][A-Za-zÀ-ÿ' -]{0,20}?) ?\*{0,2} ?: ?\*{0,2} ?(.*)$")

_ORIGINAL = {
    "message d'origine", "message original", "message initial", "mail original", "mail d'origine", "courriel original",
    "courriel d'origine", "e-mail d'origine", "e-mail original", "original message", "original mail", "original email",
    "réponse au message", "message précédent",
}  # fmt: skip
_HANDED_ON = re.compile(
    r"(?:(?:début du )?(?:message|mail|courriel|e-mail) (?:transféré|réexpédié|transmis)"
    r"|(?:begin )?forwarded (?:message|mail|email)"
    r"|(?:transféré|réexpédié|forwarded) (?:par|by) .{1,120})$",
    re.I,
)
_BARE_FORWARD = re.compile(r"(?:début du message (?:transféré|réexpédié)|begin forwarded message) ?:$", re.I)

_LABELS: Mapping[str, str] = {
    "de": "from", "from": "from", "expéditeur": "from", "par": "from",
    "envoyé": "sent", "envoyé le": "sent", "sent": "sent", "date d'envoi": "sent",
    "date": "date", "le": "date",
    "à": "to", "a": "to", "to": "to", "pour": "to", "destinataire": "to", "destinataires": "to",
    "cc": "cc", "copie": "cc", "copie à": "cc", "copies": "cc", "cci": "bcc", "bcc": "bcc",
    "objet": "subject", "sujet": "subject", "subject": "subject",
    "importance": "importance", "priorité": "importance", "priority": "importance",
    "répondre à": "reply", "reply-to": "reply", "pièces jointes": "files", "attachments": "files",
}  # fmt: skip


def marks(view: View, hints: frozenset[int]) -> Iterator[Mark]:
    """Every mark of the text, first to last; ``hints`` are line numbers where the HTML side shows a quotation."""
    said = _TOLD.search("\n".join(view.plain)) is not None
    place = 0
    while place < len(view):
        found = _mark(view, place, hints, said) if _may_begin(view.plain[place], said) else None
        if found is not None:
            yield found
            place = max(found.body, place + 1)
        else:
            place += 1


def _may_begin(line: str, said: bool) -> bool:
    """Whether a mark may begin on this line; ``said``: somewhere in the text somebody is said to have written."""
    if not line:
        return False
    return line[0] in _BEGINNINGS or ":" in line or "@" in line or (said and _OPENS.match(line) is not None)


def _mark(view: View, place: int, hints: frozenset[int], said: bool) -> Mark | None:
    hinted = bool(hints) and any(n in hints for n in view.numbers[max(0, place - 2) : place + 1])
    return (
        _separator(view, place)
        or _dashed(view, place)
        or (_attribution(view, place, hinted) if said else _unsaid(view, place))
        or _fields(view, place, hinted)
    )


def _separator(view: View, place: int) -> Mark | None:
    """``-----Message d'origine-----``, ``---- Mail transféré ----``, ``Message du 12/03/2026``."""
    line = view.plain[place]
    framed = _FRAMED.match(line) if line[0] in "-_=*" and line[-1] in "-_=*" else None
    inside = framed.group(1).strip() if framed else ""
    if _BARE_FORWARD.match(line) or (inside and _HANDED_ON.match(inside)):
        return Mark(place, place + 1, MarkKind.FORWARD, True)
    if inside.casefold() not in _ORIGINAL and not _ORANGE.match(line):
        return None
    following = next_written(view, place + 1)
    if following is None:
        return None
    block = _block(view, following)
    if block.first == "subject":  # Thunderbird and Roundcube write a forward so
        return Mark(place, block.end, MarkKind.FORWARD, True)
    if len(block.fields) >= 2:
        return Mark(_over_rule(view, place), block.end, MarkKind.BLOCK, True)
    said = _attribution(view, following, True)
    if said is not None:
        return Mark(place, said.body, MarkKind.QUOTE, said.strong)
    return Mark(place, place + 1, MarkKind.QUOTE, False)


def _dashed(view: View, place: int) -> Mark | None:
    """``-----"X" <x@y> a écrit : -----`` (Notes, Zoho), which may take two lines."""
    if not view.plain[place].startswith("---"):
        return None
    for end in (place + 1, place + 2):
        said = _DASHED.match(" ".join(view.plain[place:end]))
        if said is None:
            continue
        following = next_written(view, end)
        block = _block(view, following) if following is not None else _NO_BLOCK
        fields = len(block.fields) >= 2
        return Mark(place, block.end if fields else end, MarkKind.QUOTE, fields or bool(_ADDRESS.search(said.group(1))))
    return None


def _attribution(view: View, place: int, hinted: bool) -> Mark | None:
    """``Le <date> à <heure>, X <x@y> a écrit :`` over up to four lines."""
    line, depth = view.plain[place], view.depth[place]
    for end in range(place + 1, min(place + 4, len(view)) + 1):
        if not view.plain[end - 1] or view.depth[end - 1] != depth:
            return None
        said = " ".join(view.plain[place:end])
        if _SAYS.search(said[-80:]):
            return _attributed(place, end, said, hinted)
        if _OLD_GMAIL.match(said) or (end == place + 1 and _QUOTING.match(line)):
            return Mark(place, end, MarkKind.QUOTE, False)
        if not _OPENS.match(line) and not _ADDRESS.search(said):
            return None
    return None


def _unsaid(view: View, place: int) -> Mark | None:
    """The attributions without a word for writing, on one line."""
    line = view.plain[place]
    return Mark(place, place + 1, MarkKind.QUOTE, False) if _OLD_GMAIL.match(line) or _QUOTING.match(line) else None


def _attributed(place: int, end: int, said: str, hinted: bool) -> Mark | None:
    address, date, time = (bool(pattern.search(said)) for pattern in (_ADDRESS, _DATE, _TIME))
    if _SOMEBODY.search(said) and not address:
        return None  # "le 12 mars, le patient a écrit :" is told, not quoted by a program
    if not _OPENS.match(said):
        return Mark(place, end, MarkKind.QUOTE, hinted) if address else None
    if not date or not (address or time or hinted):
        return None
    return Mark(place, end, MarkKind.QUOTE, (address and time) or hinted)


@dataclass(frozen=True, slots=True)
class _Block:
    fields: Mapping[str, str]
    first: str
    end: int


_NO_BLOCK = _Block({}, "", 0)


def _fields(view: View, place: int, hinted: bool) -> Mark | None:
    """``De : … Envoyé : … À : … Objet : …``, the block of Outlook, Notes, Zimbra and others."""
    block = _block(view, place)
    fields = block.fields
    if block.first not in {"from", "subject"} or "from" not in fields or len(fields) < 3:
        return None
    date = fields.get("sent", fields.get("date", ""))
    if not _DATE.search(date) or not ("to" in fields or "subject" in fields):
        return None
    start = _over_rule(view, place)
    people = fields["from"] + " " + fields.get("to", "")
    known = "sent" in fields and "to" in fields and _TIME.search(date)
    if not (known or hinted or view.plain[start].startswith("_" * 20) or _ADDRESS.search(people)):
        return None
    return Mark(start, block.end, MarkKind.BLOCK if block.first == "from" else MarkKind.FORWARD, True)


def _block(view: View, place: int) -> _Block:
    """The header fields from this line on; a field's value may go on in the next lines."""
    fields: dict[str, str] = {}
    first = last = ""
    end = place
    while end < min(len(view), place + MOST_BLOCK) and (view.depth[end] > 0) == (view.depth[place] > 0):
        kind, value = _field(view.plain[end])
        if kind and kind not in fields:
            fields[kind], last = value, kind
            first = first or kind
        elif kind or not first or not (view.plain[end] or _goes_on(view, end + 1, fields)):
            break
        elif view.plain[end]:
            fields[last] += " " + view.plain[end]
        end += 1
    return _Block(fields, first, end)


def _goes_on(view: View, place: int, fields: Mapping[str, str]) -> bool:
    """Whether a field not seen yet follows an empty line."""
    kind = _field(view.plain[place])[0] if place < len(view) else ""
    return bool(kind) and kind not in fields


def _field(line: str) -> tuple[str, str]:
    found = _FIELD.match(line)
    return (_LABELS.get(found.group(1).casefold(), ""), found.group(2)) if found else ("", "")


def _over_rule(view: View, place: int) -> int:
    """The line of a rule right above, else this line."""
    for above in range(place - 1, max(-1, place - 4), -1):
        if _RULE.match(view.plain[above]):
            return above
        if view.plain[above]:
            break
    return place


def next_written(view: View, place: int) -> int | None:
    """The next line with something on it, ``>`` counting as something written only with text after it."""
    return next((p for p in range(place, len(view)) if view.plain[p]), None)
