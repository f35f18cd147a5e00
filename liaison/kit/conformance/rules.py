"""What is asked of a product, line by line (rules.txt), and what to mend when it is not so."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.resources import files

from liaison.kit.conformance.judge import Rule


@cache
def rules() -> Mapping[str, Rule]:
    """By id, in the order of the report."""
    found = {}
    for line in (files(__package__) / "rules.txt").read_text("utf-8").splitlines():
        if not line.startswith("#"):
            ident, fr, en, mend_fr, mend_en = (part.strip() for part in line.split(" | "))
            found[ident] = Rule(ident, (fr, en), (mend_fr, mend_en))
    return found
