"""What begins a quotation in a mail's text: the attributions, header blocks and separators of mail programs. Pure.

Sources: what the programs themselves write, French and English; RFC 3676 §4.5 for ``>``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from bridge.networks.mail.quoting.wording import (
    ABROAD,
    ADDRESS,
    BARE_FORWARD,
    BEGINNINGS,
    DASHED,
    DATE,
    FIELD,
    FRAMED,
    HANDED_ON,
    LABELS,
    OLD_GMAIL,
    OPENS,
    OPENS_ABROAD,
    ORANGE,
    ORIGINAL,
    QUOTING,
    RULE,
    SAYS,
    SOMEBODY,
    TIME,
    TOLD,
)

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


def marks(view: View, hints: frozenset[int], answers: bool = True) -> Iterator[Mark]:
    """Every mark of the text, first to last; ``hints`` are line numbers where the HTML side shows a quotation.

    ``answers``: the mail says that it answers another. Some marks announce a quotation only then.
    """
    whole = "\n".join(view.plain).lower()
    said = any(word in whole for word in TOLD)
    place = 0
    while place < len(view):
        found = _mark(view, place, hints, (said, answers)) if _may_begin(view.plain[place], said) else None
        if found is not None:
            yield found
            place = max(found.body, place + 1)
        else:
            place += 1


def _may_begin(line: str, said: bool) -> bool:
    """Whether a mark may begin on this line; ``said``: somewhere in the text somebody is said to have written."""
    if not line:
        return False
    return line[0] in BEGINNINGS or ":" in line or "@" in line or (said and _opens(line))


def _opens(line: str) -> bool:
    return OPENS.match(line) is not None or OPENS_ABROAD.match(line) is not None


def _mark(view: View, place: int, hints: frozenset[int], mail: tuple[bool, bool]) -> Mark | None:
    """``mail``: somewhere in it somebody is said to have written; it answers another one."""
    said, answers = mail
    hinted = bool(hints) and any(n in hints for n in view.numbers[max(0, place - 2) : place + 1])
    return (
        _separator(view, place, answers)
        or _dashed(view, place)
        or (_attribution(view, place, hinted) if said else _unsaid(view, place))
        or _fields(view, place, hinted, answers)
    )


def _separator(view: View, place: int, answers: bool) -> Mark | None:
    """``-----Message d'origine-----``, ``---- Mail transféré ----``, ``Message du 12/03/2026``."""
    line = view.plain[place]
    framed = FRAMED.match(line) if line[0] in "-_=*" and line[-1] in "-_=*" else None
    inside = framed.group(1).strip() if framed else ""
    if BARE_FORWARD.match(line) or (inside and HANDED_ON.match(inside)):
        return Mark(place, place + 1, MarkKind.FORWARD, True)
    if inside.casefold() not in ORIGINAL and not ORANGE.match(line):
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
    return Mark(place, place + 1, MarkKind.QUOTE, answers and bool(inside) and line.startswith("----"))


def _dashed(view: View, place: int) -> Mark | None:
    """``-----"X" <x@y> a écrit : -----`` (Notes, Zoho), which may take two lines."""
    if not view.plain[place].startswith("---"):
        return None
    for end in (place + 1, place + 2):
        said = DASHED.match(" ".join(view.plain[place:end]))
        if said is None:
            continue
        following = next_written(view, end)
        block = _block(view, following) if following is not None else _NO_BLOCK
        fields = len(block.fields) >= 2
        return Mark(place, block.end if fields else end, MarkKind.QUOTE, fields or bool(ADDRESS.search(said.group(1))))
    return None


def _attribution(view: View, place: int, hinted: bool) -> Mark | None:
    """``Le <date> à <heure>, X <x@y> a écrit :`` over up to four lines."""
    line, depth = view.plain[place], view.depth[place]
    for end in range(place + 1, min(place + 4, len(view)) + 1):
        if not view.plain[end - 1] or view.depth[end - 1] != depth:
            return None
        said = " ".join(view.plain[place:end])
        if SAYS.search(said[-80:]):
            return _attributed(place, end, said, hinted)
        if ABROAD.match(said) and DATE.search(said) and (ADDRESS.search(said) or TIME.search(said)):
            return Mark(place, end, MarkKind.QUOTE, bool(ADDRESS.search(said) and TIME.search(said)) or hinted)
        if OLD_GMAIL.match(said) or (end == place + 1 and QUOTING.match(line)):
            return Mark(place, end, MarkKind.QUOTE, False)
        if not _opens(line) and not ADDRESS.search(said):
            return None
    return None


def _unsaid(view: View, place: int) -> Mark | None:
    """The attributions without a word for writing, on one line."""
    line = view.plain[place]
    return Mark(place, place + 1, MarkKind.QUOTE, False) if OLD_GMAIL.match(line) or QUOTING.match(line) else None


def _attributed(place: int, end: int, said: str, hinted: bool) -> Mark | None:
    address, date, time = (bool(pattern.search(said)) for pattern in (ADDRESS, DATE, TIME))
    if SOMEBODY.search(said) and not address:
        return None  # "le 12 mars, le patient a écrit :" is told, not quoted by a program
    if not OPENS.match(said):
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


def _fields(view: View, place: int, hinted: bool, answers: bool) -> Mark | None:
    """``De : … Envoyé : … À : … Objet : …``, the block of Outlook, Notes, Zimbra and others.

    Hotmail's begins with the date or the subject, in an answer; so does a forward of other programs.
    """
    block = _block(view, place)
    fields = block.fields
    if block.first not in {"from", "subject", "date", "sent"} or "from" not in fields or len(fields) < 3:
        return None
    if block.first in ("date", "sent") and len(fields) < 4:
        return None
    date = fields.get("sent", fields.get("date", ""))
    if not DATE.search(date) or not ("to" in fields or "subject" in fields):
        return None
    start = _over_rule(view, place)
    people = fields["from"] + " " + fields.get("to", "")
    known = "sent" in fields and "to" in fields and TIME.search(date)
    if not (known or hinted or view.plain[start].startswith("_" * 20) or ADDRESS.search(people)):
        return None
    quotes = block.first == "from" or (answers and bool(TIME.search(date)) and bool(ADDRESS.search(people)))
    if not quotes and block.first != "subject":
        return None
    return Mark(start, block.end, MarkKind.BLOCK if quotes else MarkKind.FORWARD, True)


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
    found = FIELD.match(line)
    return (LABELS.get(found.group(1).casefold(), ""), found.group(2)) if found else ("", "")


def _over_rule(view: View, place: int) -> int:
    """The line of a rule right above, else this line."""
    for above in range(place - 1, max(-1, place - 4), -1):
        if RULE.match(view.plain[above]):
            return above
        if view.plain[above]:
            break
    return place


def next_written(view: View, place: int) -> int | None:
    """The next line with something on it, ``>`` counting as something written only with text after it."""
    return next((p for p in range(place, len(view)) if view.plain[p]), None)
