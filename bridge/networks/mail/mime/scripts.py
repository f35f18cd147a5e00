"""Raised and lowered signs in plain text: ``10⁹/L`` is no ``109/L``. Pure."""

from __future__ import annotations

_RAISED = dict(zip("0123456789+-−=()n", "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁻⁼⁽⁾ⁿ", strict=True))
_LOWERED = dict(zip("0123456789+-−=()", "₀₁₂₃₄₅₆₇₈₉₊₋₋₌₍₎", strict=True))


def raised(text: str) -> str:
    """What ``<sup>`` holds: raised signs where Unicode has them all, letters as they are (``1er``), else ``^(…)``."""
    return _written(text, _RAISED, "^")


def lowered(text: str) -> str:
    """What ``<sub>`` holds: as lowered signs where Unicode has them all, words as they are (``Vmax``, ``HbA1c``)."""
    return _written(text, _LOWERED, "")


def _written(text: str, signs: dict[str, str], mark: str) -> str:
    core = text.strip()
    if not core:
        return text
    if all(sign in signs for sign in core):
        shown = "".join(signs[sign] for sign in core)
    elif not mark or core.isalpha() or not any(sign.isalnum() for sign in core):
        shown = core
    else:
        shown = f"{mark}({core})"
    before, _, after = text.partition(core)
    return f"{before}{shown}{after}"
