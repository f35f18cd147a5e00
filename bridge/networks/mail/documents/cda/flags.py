"""What the entries of a CDA flag: each value that they call abnormal, as a line with its mark. Pure.

Source: HL7 CDA R2, ``observation/interpretationCode``. The narrative may leave the flag out (five of twenty in official
samples do), so it is told from the entry, whatever stands in the narrative.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from bridge.networks.mail.documents.card import line
from bridge.networks.mail.documents.cda.times import readable_time
from bridge.networks.mail.documents.interpretation import Interpretation, interpreted
from bridge.networks.mail.documents.xmlsafe import Element, attribute, children, every, first, tag, text_of

MOST = 60  # lines


def flagged(structured: Element) -> tuple[str, ...]:
    """One line for each flagged value: ``Hors limites : Potassium 7.1 mmol/L ▲▲ (très élevé, réf. 3.5 – 5.0)``."""
    observations = [one for one in structured.iter() if tag(one) == "observation" and any(_said(one))]
    if not observations:
        return ()
    places = {ident: one for one in structured.iter() if (ident := attribute(one, "ID"))}
    lines = list(dict.fromkeys(_line(one, places) for one in observations))
    if len(lines) > MOST:
        more = f"… et {len(lines) - MOST} autres valeurs signalées : ouvrez le document joint."
        lines = [*lines[:MOST], more]
    return tuple(lines)


def _said(observation: Element) -> Iterator[Interpretation]:
    for code in children(observation, "interpretationCode"):
        words = attribute(code, "displayName") or text_of(first(code, "originalText"))
        for one in (code, *children(code, "translation")):
            if (found := interpreted(attribute(one, "code"), words)) is not None:
                yield found
                break


def _line(observation: Element, places: Mapping[str, Element]) -> str:
    said = list(dict.fromkeys(_said(observation)))
    value = _value(observation, places)
    at = first(observation, "effectiveTime")
    day = readable_time(attribute(at, "value") or attribute(first(at, "low"), "value"))
    reference = _range(observation)
    about = [*(one.word for one in said), f"réf. {reference}" if reference else "", f"le {day}" if day else ""]
    kind = "Hors limites" if any(one.range for one in said) else "Signalé"
    marks = " ".join(dict.fromkeys(one.mark for one in said))
    shown = f"{_label(observation, places)} {value}".strip() or "valeur sans nom"
    return line(f"{kind} : {shown} {marks} ({', '.join(part for part in about if part)})")


def _label(observation: Element, places: Mapping[str, Element]) -> str:
    code = first(observation, "code")
    spelled = [attribute(code, "displayName"), _spelled(first(code, "originalText"), places)]
    spelled += [] if code is None else [attribute(one, "displayName") for one in children(code, "translation")]
    return line(next((one for one in spelled if one), attribute(code, "code")), 120)


def _spelled(element: Element | None, places: Mapping[str, Element]) -> str:
    """The text of an element, or that of the narrative it refers to."""
    if element is None:
        return ""
    reference = attribute(first(element, "reference"), "value").removeprefix("#")
    return text_of(element) or text_of(places.get(reference))


def _value(observation: Element, places: Mapping[str, Element]) -> str:
    """The value as it is written; the narrative's where the entry has none."""
    values = [shown for one in children(observation, "value") if (shown := _amount(one, places))]
    return line(", ".join(values) or _spelled(first(observation, "text"), places), 120)


def _amount(value: Element, places: Mapping[str, Element]) -> str:
    if attribute(value, "representation"):
        return ""
    low, high = (_quantity(first(value, kind)) for kind in ("low", "high"))
    if low or high:
        return " – ".join(part for part in (low, high) if part)
    ratio = [_quantity(one) for kind in ("numerator", "denominator") for one in children(value, kind)]
    if any(ratio):
        return " / ".join(ratio)
    words = attribute(value, "displayName") or _spelled(first(value, "originalText"), places)
    return _quantity(value) or words or text_of(value) or attribute(value, "code")


def _quantity(element: Element | None) -> str:
    unit = attribute(element, "unit")
    return f"{attribute(element, 'value')} {unit if unit != '1' else ''}".strip() if attribute(element, "value") else ""


def _range(observation: Element) -> str:
    """The first reference range: its text, else its two ends."""
    for one in every(observation, "referenceRange/observationRange"):
        low, high = (_quantity(first(one, f"value/{kind}")) for kind in ("low", "high"))
        if spelled := text_of(first(one, "text")):
            return line(spelled, 60)
        if low or high:
            return f"{low} – {high}" if low and high else f"≥ {low}" if low else f"≤ {high}"
    return ""
