"""A HPRIM record as a card: a table with out-of-range values marked, complete as plain text too. Pure."""

from __future__ import annotations

from bridge.networks.mail.documents import card as cards
from bridge.networks.mail.documents.card import Card, escape
from bridge.networks.mail.documents.laboratory.hprim import Measure, Record, Result

_ARROWS = {"L": "▼", "LL": "▼▼", "H": "▲", "HH": "▲▲"}
_STATUS = {"P": "provisoire", "C": "corrigé", "D": "supprimé", "X": "annulé", "I": "en cours"}
_HEAD = "<tr><th>Analyse</th><th>Résultat</th><th>Unité</th><th>Référence</th><th>Autre unité</th></tr>"


def card(record: Record) -> Card:
    """Title, who and when, the letter, then the results; what is out of range is bold with an arrow."""
    title = "Résultats de laboratoire" if record.results else "Courrier médical (HPRIM)"
    out = sum(1 for one in record.results if one.out)
    pairs = [
        ("Patient", record.patient.label), ("Né(e) le", record.birth), ("De", record.sender),
        ("Pour", record.recipient), ("Date", record.day), ("Dossier", record.number),
        ("Hors limites", f"{out} sur {len(record.results)}" if record.results else ""),
    ]  # fmt: skip
    text = "\n\n".join(part for part in (record.text, _text(record)) if part)
    body = f"<p>{escape(record.text)}</p>" if record.text.strip() else ""
    return cards.card(title, pairs, text, body + _html(record))


def _text(record: Record) -> str:
    return "\n".join(_row_text(one) if isinstance(one, Result) else one for one in record.lines)


def _row_text(one: Result) -> str:
    mark = _ARROWS.get(one.out, "")
    parts = [f"{one.label or one.code} :", _amount(one.measure), mark, _bracket(_range(one.measure))]
    if one.second is not None:
        parts += ["/", _amount(one.second), _bracket(_range(one.second))]
    return " ".join(part for part in [*parts, _bracket(_STATUS.get(one.status, ""))] if part)


def _html(record: Record) -> str:
    """Runs of results are tables, the texts between them paragraphs."""
    found: list[str] = []
    in_table = False
    for one in record.lines:
        if isinstance(one, Result) is not in_table:
            in_table = not in_table
            found.append(f"<table>{_HEAD}" if in_table else "</table>")
        found.append(_row_html(one) if isinstance(one, Result) else f"{escape(one)}<br>")
    return "".join(found) + ("</table>" if in_table else "")


def _row_html(one: Result) -> str:
    value = escape(one.measure.value)
    if one.out:
        value = f"<strong>{value} {_ARROWS[one.out]}</strong>"
    status = escape(_bracket(_STATUS.get(one.status, "")))
    other = "" if one.second is None else f"{_amount(one.second)} {_bracket(_range(one.second))}".strip()
    cells = (
        escape(one.label or one.code), f"{value} {status}".strip(), escape(one.measure.unit),
        escape(_range(one.measure)), escape(other),
    )  # fmt: skip
    return "<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>"


def _amount(measure: Measure) -> str:
    return f"{measure.value} {measure.unit}".strip()


def _range(measure: Measure) -> str:
    if measure.low and measure.high:
        return f"{measure.low} – {measure.high}"
    if measure.low:
        return f"≥ {measure.low}"
    return f"≤ {measure.high}" if measure.high else ""


def _bracket(text: str) -> str:
    return f"({text})" if text else ""
