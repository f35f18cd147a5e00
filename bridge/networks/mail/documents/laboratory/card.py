"""A record of results as a card: one table with marked values, complete as plain text too. Pure."""

from __future__ import annotations

from bridge.networks.mail.documents import card as cards
from bridge.networks.mail.documents import patient as patients
from bridge.networks.mail.documents.card import Card, escape
from bridge.networks.mail.documents.laboratory.results import Measure, Record, Result
from bridge.networks.mail.documents.laboratory.said_again import without_repeats

_STATUS = {"P": "provisoire", "C": "corrigé", "D": "supprimé", "X": "annulé", "I": "en cours", "W": "erroné",
           "R": "non validé", "S": "partiel"}  # fmt: skip
_WITHDRAWN = frozenset({"D", "W"})
_LONG = 10_000  # characters
_MOST_MARKS = 60
_COLUMNS = ("Analyse", "Résultat", "Unité", "Référence")


def card(record: Record) -> Card:
    """Title, who and when, the letter, then the results; what is out of range is bold with an arrow."""
    title = record.title or ("Résultats de laboratoire" if record.results else "Courrier médical (HPRIM)")
    limits = sum(1 for one in record.results if any(mark.range for mark in one.marks))
    others = sum(1 for one in record.results if one.marks) - limits
    pairs = [
        *patients.identity(record.patient, record.birth), ("De", record.sender), ("Pour", record.recipient),
        ("Date", record.day), ("Dossier", record.number),
        ("Hors limites", f"{limits} sur {len(record.results)}" if record.results else ""),
        ("Signalés (⚠)", str(others) if others else ""), ("Joint", ", ".join(one.name for one in record.files[:5])),
    ]  # fmt: skip
    letter, lines = without_repeats(record.text, record.lines)
    text = "\n".join(_row_text(one) if isinstance(one, Result) else one for one in lines)
    body = f"<p>{escape(letter)}</p>" if letter.strip() else ""
    whole = "\n\n".join(part for part in (letter, text) if part)
    flagged = [one for one in record.results if one.marks] if len(whole) > _LONG else []
    made = cards.card(title, pairs, whole, body + _html(lines), _marks(flagged))
    return Card(made.title, made.text, made.html, record.files)


def _marks(flagged: list[Result]) -> list[str]:
    """What is marked of a long record, above it: a room shows the beginning of what is long."""
    lines = [
        f"{'Hors limites' if any(m.range for m in one.marks) else 'Signalé'} : {_row_text(one)}" for one in flagged
    ]
    more = len(lines) - _MOST_MARKS
    return [*lines[:_MOST_MARKS], f"… et {more} autres valeurs signalées"] if more > 0 else lines


def _row_text(one: Result) -> str:
    parts = [f"{one.label or one.code} :", _amount(one.measure), one.marked, _bracket(_range(one.measure))]
    if one.second is not None:
        parts += ["/", _amount(one.second), _bracket(_range(one.second))]
    return " ".join(part for part in [*parts, _bracket(_STATUS.get(one.status, ""))] if part)


def _html(lines: tuple[Result | str, ...]) -> str:
    """One table from the first result to the last, with the texts between them as its rows; paragraphs around it."""
    places = [place for place, one in enumerate(lines) if isinstance(one, Result)]
    if not places:
        return "".join(f"{escape(str(one))}<br>" for one in lines)
    start, end = places[0], places[-1] + 1
    wide = any(isinstance(one, Result) and one.second is not None for one in lines)
    columns = (*_COLUMNS, "Autre unité") if wide else _COLUMNS
    heads = "".join(f"<th>{one}</th>" for one in columns)
    rows = "".join(
        _row_html(one, wide) if isinstance(one, Result) else f'<tr><td colspan="{len(columns)}">{escape(one)}</td></tr>'
        for one in lines[start:end]
        if isinstance(one, Result) or one.strip()
    )
    before, after = ("".join(f"{escape(str(one))}<br>" for one in part) for part in (lines[:start], lines[end:]))
    return f"{before}<table><tr>{heads}</tr>{rows}</table>{after}"


def _row_html(one: Result, wide: bool) -> str:
    value = escape(one.measure.value)
    if one.out:
        value = f"<strong>{value} {escape(one.marked)}</strong>"
    if one.status in _WITHDRAWN:
        value = f"<del>{value}</del>"
    status = escape(_bracket(_STATUS.get(one.status, "")))
    other = "" if one.second is None else f"{_amount(one.second)} {_bracket(_range(one.second))}".strip()
    cells = [
        escape(one.label or one.code), f"{value} {status}".strip(), escape(one.measure.unit),
        escape(_range(one.measure)), *([escape(other)] if wide else []),
    ]  # fmt: skip
    return "<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>"


def _amount(measure: Measure) -> str:
    return f"{measure.value} {measure.unit}".strip()


def _range(measure: Measure) -> str:
    if measure.low and measure.high:
        return f"{measure.low} – {measure.high}"
    if measure.low:
        return f"≥ {measure.low}"
    return f"≤ {measure.high}" if measure.high else measure.spelled


def _bracket(text: str) -> str:
    return f"({text})" if text else ""
