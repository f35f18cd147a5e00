"""What was newly written in a mail, apart from what it quotes and from what folds away. Pure.

The rule is: when unsure, cut nothing. Answers between ``>`` lines, forwards and what merely looks like a header stay.
What is cut is kept apart, and the whole mail stays with whoever calls.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence, Set
from dataclasses import dataclass, field

from bridge.networks.mail.quoting import html_lines, signatures
from bridge.networks.mail.quoting.html_lines import Page
from bridge.networks.mail.quoting.marks import Mark, MarkKind, View, look, marks, next_written

MOST_TEXT = 1_000_000  # characters; a longer text is no answer to anybody
MOST_LINES = 20_000
MOST_ROUNDS = 30  # cuts of one text; real mails need four

_NONE: frozenset[int] = frozenset()
_BELOW = re.compile(
    r"\bci[- ](?:dessous|après)\b|\bplus bas\b|\ben (?:rouge|bleu|vert|gras|couleur)\b|\bdans (?:le|votre"
    r"|ton) (?:texte|corps|message|mail)\b"
    r"|\b(?:réponses?|réponds|répondu) (?:dans|entre|sous|à la suite)\b|\bbelow\b|\binline\b|\bin[- ]line\b"
    r"|\bin (?:red|blue|green|bold)\b|\bin (?:the|your) (?:text|mail|message)\b|\bje (?:vous|te|t'"
    r"|lui)? ?(?:transf|fais suivre)"
    r"|\bforwarding\b|\bfyi\b",
    re.I,
)
_HANDED_ON = re.compile(r"(?:\[[^\]]{0,60}\] ?){0,5}(?:tr|fw|fwd|transf|transféré) ?:", re.I)
_NOISE = re.compile(
    r"<(?:https?|mailto|tel|file):[^<>]{0,2000}>|\[(?:cid|image):?[^\[\]]{0,300}\]|https?://\S{1,2000}", re.I
)


@dataclass(frozen=True, slots=True)
class Visible:
    """A mail's text in parts; lines end with ``\\n``."""

    text: str = field(repr=False)
    """What was newly written."""
    html: str | None = field(repr=False)
    """The same from the HTML side, not cleaned; None if there is none or if it cannot be separated there surely."""
    quoted: str = field(repr=False)
    """What was cut because it repeats an earlier mail."""
    signature: str = field(repr=False)
    """Signature, advertisement of the mail program and disclaimer."""
    sure: bool
    """False: something looked like a quotation, and nothing was cut because we were unsure."""


@dataclass(frozen=True, slots=True)
class _Parts:
    """Line numbers of what was cut."""

    quoted: frozenset[int] = _NONE
    signature: frozenset[int] = _NONE
    sure: bool = True

    @property
    def dropped(self) -> frozenset[int]:
        return self.quoted | self.signature


def visible(text: str, html: str | None, subject: str = "", *, answers: bool = True) -> Visible:
    """The new part of a mail. ``subject``, if known, tells Outlook's forwards (TR:, FW:), which look like answers.

    A block that only its looks make a quotation is one where the mail ``answers`` another: its author may as well have
    pasted it to be read.
    Without ``text`` the HTML's lines take its place. Never raises; what is too large is left whole.
    """
    page = html_lines.read(html) if html else None
    written = text.strip() != ""
    lines = _lines(text) if written or page is None else list(page.lines)
    if len(text) > MOST_TEXT or len(lines) > MOST_LINES or _HANDED_ON.match(subject.strip()):
        return _whole(lines, html, not (len(text) > MOST_TEXT or len(lines) > MOST_LINES))
    if page is None:
        parts = _split(lines, answers=answers)
        return _show(lines, parts, None if parts.dropped else html)
    seen = _split(page.lines, page.quotes, page.signatures, answers=answers)
    if not written:
        return _show(lines, seen, _rewritten(page, seen.dropped, html))
    parts = _agreed(lines, _split(lines, answers=answers), page, seen)
    return _show(lines, parts, _html_side(lines, parts, page, seen, html))


def forwarded(text: str, subject: str = "", *, answers: bool = True) -> bool:
    """Whether the mail hands another one on: that is content, and is never cut."""
    if _HANDED_ON.match(subject.strip()):
        return True
    if len(text) > MOST_TEXT:
        return False
    lines = _lines(text)[:MOST_LINES]
    first = next(marks(look(lines), _NONE, answers), None)
    return first is not None and first.kind is MarkKind.FORWARD


def _lines(text: str) -> list[str]:
    return text.replace("\r\n", "\n").replace("\r", "\n").split("\n")


def _joined(lines: Sequence[str], numbers: Sequence[int] | Set[int]) -> str:
    """These lines without the empty ones around them."""
    chosen = sorted(numbers)
    while chosen and not lines[chosen[0]].strip():
        chosen.pop(0)
    while chosen and not lines[chosen[-1]].strip():
        chosen.pop()
    joined: list[str] = []
    for before, number in zip([*chosen[:1], *chosen], chosen, strict=False):
        if number > before + 1 and not any(line.strip() for line in lines[before + 1 : number]):
            joined.append("")
        joined.append(lines[number])
    return "\n".join(joined)


def _whole(lines: Sequence[str], html: str | None, sure: bool) -> Visible:
    return Visible(_joined(lines, range(len(lines))), html, "", "", sure)


def _show(lines: Sequence[str], parts: _Parts, html: str | None) -> Visible:
    kept = [n for n in range(len(lines)) if n not in parts.dropped]
    return Visible(
        _joined(lines, kept), html, _joined(lines, parts.quoted), _joined(lines, parts.signature), parts.sure
    )


# One text: cut until nothing more is to be cut.


def _split(
    lines: Sequence[str], quotes: frozenset[int] = _NONE, signed: frozenset[int] = _NONE, *, answers: bool = True
) -> _Parts:
    whole = _trimmed(look(lines))
    view, quoted, signature = whole, _NONE, _NONE
    for _ in range(MOST_ROUNDS):
        cut, sure, more = _quotation(view, quotes, answers)
        if cut:
            quoted |= {view.numbers[p] for p in cut}
        elif not sure and not quoted:
            return _Parts(sure=False)  # neither is the signature cut below which it came to light
        elif not sure or not more:
            return _Parts(quoted, signature)
        else:
            place = signatures.begins(view, signed) if len(view) else None
            if place is None:
                return _Parts(quoted, signature)
            cut = frozenset(range(place, len(view)))
            signature |= {view.numbers[p] for p in cut}
        view = _trimmed(view.pick([p for p in range(len(view)) if p not in cut]))
    return _Parts(sure=False)


def _trimmed(view: View) -> View:
    """Without the empty lines around it."""
    written = [p for p in range(len(view)) if view.plain[p] or view.depth[p]]
    return view.pick(range(written[0], written[-1] + 1)) if written else view.pick([])


def _quotation(view: View, hints: frozenset[int], answers: bool) -> tuple[frozenset[int], bool, bool]:
    """What to cut; whether that is sure; whether what is left may be looked at for a signature."""
    for mark in marks(view, hints, answers):
        if mark.kind is MarkKind.FORWARD:
            return _NONE, True, False
        cut = _reach(view, mark)
        if cut is None:
            continue
        if not cut:
            return _NONE, True, True  # answers in between
        left = [p for p in range(len(view)) if p not in cut]
        said = " ".join(view.plain[p] for p in left)
        if not any(map(str.isalnum, said)) or _BELOW.search(said) or _begun_above(view, mark):
            return _NONE, False, False
        return cut, True, True
    return _unannounced(view, hints if answers else _NONE)


def _reach(view: View, mark: Mark) -> frozenset[int] | None:
    """The places that a mark's quotation takes; empty if answers are in between; None if it announces nothing."""
    body = next_written(view, mark.body)
    prefixed = view.depth[mark.start] > 0
    if not prefixed and (body is None or not view.depth[body]):
        return frozenset(range(mark.start, len(view))) if mark.strong else None
    end = mark.body
    while end < len(view) and (view.depth[end] or not view.plain[end]):
        end += 1
    after = [p for p in range(end, len(view)) if view.plain[p]]
    if any(view.depth[p] for p in after) or (after and mark.kind is MarkKind.BLOCK and not prefixed):
        return _NONE
    return frozenset(range(mark.start, end))


def _begun_above(view: View, mark: Mark) -> bool:
    """Whether quoted lines run into the mark from above: then the quotation began before it."""
    above = next((p for p in range(mark.start - 1, -1, -1) if view.plain[p]), None)
    return view.depth[mark.start] > 0 and above is not None and view.depth[above] > 0


def _unannounced(view: View, hints: frozenset[int]) -> tuple[frozenset[int], bool, bool]:
    """``>`` lines at the end that nothing announces: a quotation if the HTML side says so, else perhaps one."""
    start = len(view)
    while start and (view.depth[start - 1] or not view.plain[start - 1]):
        start -= 1
    block = [p for p in range(start, len(view)) if view.depth[p]]
    if not block:
        return _NONE, True, True
    if any(view.depth[p] for p in range(start)):
        return _NONE, True, True  # answers in between
    said = " ".join(view.plain[:start])
    hinted = any(view.numbers[p] in hints or view.numbers[p] - 1 in hints for p in block[:1])
    if hinted and any(map(str.isalnum, said)) and not _BELOW.search(said):
        return frozenset(range(block[0], len(view))), True, True
    return _NONE, len(block) < 3, len(block) < 3


# Two sides of one mail: what one shows surely is looked for in the other, letter by letter.


def _agreed(lines: Sequence[str], parts: _Parts, page: Page, seen: _Parts) -> _Parts:
    """The text's parts, helped by what only the HTML side shows."""
    if not seen.dropped or not _is_tail(seen.dropped, page.lines):
        return parts
    letters = _letters(page.lines, seen.dropped)
    if len(letters) >= len(_letters(lines, parts.dropped)):
        return parts
    place = _after(lines, letters)
    if place is None:
        return parts if parts.dropped or not seen.quoted else _Parts(sure=False)
    rest = frozenset(range(place, len(lines)))
    first = _first_letters(page.lines, seen.dropped)
    if not letters or not _letters(lines, frozenset(range(place))).startswith(first):
        return parts if parts.dropped or not seen.quoted else _Parts(sure=False)
    again = _split(lines[:place])
    signature = (rest if not seen.quoted else rest & parts.signature) | again.signature
    return _Parts((rest - signature) | again.quoted, signature)


def _html_side(lines: Sequence[str], parts: _Parts, page: Page, seen: _Parts, html: str | None) -> str | None:
    """The HTML without what the text is without; None if that is not sure."""
    if not parts.dropped:
        return html
    letters = _letters(lines, parts.dropped)
    if letters == _letters(page.lines, seen.dropped):
        return _rewritten(page, seen.dropped, html)
    if not _is_tail(parts.dropped, lines):
        return None
    place = _after(page.lines, letters)
    first = _first_letters(lines, parts.dropped)
    if place is None or not first or not _letters(page.lines, frozenset(range(place))).startswith(first):
        return None
    return _rewritten(page, frozenset(range(place, len(page.lines))), html)


def _rewritten(page: Page, dropped: frozenset[int], html: str | None) -> str | None:
    try:
        return html_lines.without(page, dropped) if dropped else html
    except ValueError:  # characters that XML does not know, in a place that nobody thought of
        return None


def _letters(lines: Sequence[str], dropped: Set[int]) -> str:
    """All letters of the lines that are left: what both sides of a mail have alike, whatever their form."""
    return "".join(_alike(line) for n, line in enumerate(lines) if n not in dropped)


def _alike(line: str) -> str:
    said = unicodedata.normalize("NFKC", _NOISE.sub("", line)).casefold()
    return "".join(filter(str.isalpha, said))


def _first_letters(lines: Sequence[str], numbers: Set[int]) -> str:
    """The letters of the first written line among these."""
    return next((said for n in sorted(numbers) if (said := _alike(lines[n]))), "")[:40]


def _is_tail(numbers: frozenset[int], lines: Sequence[str]) -> bool:
    """Whether nothing is written after the first of these lines but these lines."""
    first = min(numbers)
    return all(n in numbers or not lines[n].strip() for n in range(first, len(lines)))


def _over_rules(lines: Sequence[str], number: int) -> int:
    """The first of the empty lines and rules right above a line, else the line itself."""
    while number and not lines[number - 1].strip("-_=*# \t\u00a0"):
        number -= 1
    return number


def _after(lines: Sequence[str], letters: str) -> int | None:
    """The first written line after exactly these letters; None if they end within a line or are others."""
    place = 0
    for number, line in enumerate(lines):
        said = _alike(line)
        if place == len(letters) and said:
            return _over_rules(lines, number)
        if not letters.startswith(said, place):
            return None
        place += len(said)
    return len(lines) if place == len(letters) else None
