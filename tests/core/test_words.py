"""Whoever is refused something can read why: every code has words, or is said elsewhere."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from bridge.networks.connect import problems
from bridge.words import GOOD_NEWS, WORDS, notice, say, sentence, speak, speaking

ROOT = Path(__file__).parents[2]
SAID_ELSEWHERE = {  # modules whose codes people never read as such, and who says it instead
    "bridge/networks/mail/documents": "cards: a document that cannot be read is named, its kind of problem has words",
    "bridge/networks/mail/smtp/header_rules.py": "the SMTP dialogue",
    "bridge/networks/mail/mime/headers.py": "the SMTP dialogue",
    "bridge/networks/mail/leg/intake.py": "the SMTP dialogue",
    "bridge/networks/mail/mime/mail.py": "the SMTP dialogue",
    "bridge/networks/mail/smtp/mx.py": "the status of the attempt",
    "bridge/networks/mail/letters/report_writing.py": "nobody: it is a report that cannot be written",
    "bridge/networks/mail/mime/parts.py": "the SMTP dialogue",
}


def codes() -> Iterator[tuple[str, str]]:
    """Every code that is raised by name: module, code."""
    for path in sorted([*ROOT.glob("bridge/**/*.py"), *ROOT.glob("appservice/**/*.py")]):
        for call in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == "Refused":
                given = call.args[0] if call.args else None
                for one in (given.body, given.orelse) if isinstance(given, ast.IfExp) else (given,):
                    if isinstance(one, ast.Constant) and isinstance(one.value, str):
                        yield str(path.relative_to(ROOT)), one.value


def test_every_code_has_words() -> None:
    found = list(codes())
    assert len(found) > 100
    wordless = {
        (module, code)
        for module, code in found
        if code not in WORDS and code not in problems._WORDS and not module.startswith(tuple(SAID_ELSEWHERE))
    }
    assert wordless == set()


def test_a_house_chooses_what_its_people_read() -> None:
    french, english = say("too_long")
    try:
        assert sentence("too_long") == f"{french}\n{english}"
        speak("fr")
        assert notice("too_long", name="Anna") == f"⚠️ Anna : {french}"
        speak("en")
        assert notice("too_long", count=3) == f"⚠️ 3 × {english}"
        assert sentence("too_long", " / ") == english
    finally:
        speak("both")
    assert all(notice(code).startswith("ℹ️ ") for code in GOOD_NEWS)


def test_whoever_reads_has_a_language_of_their_own() -> None:
    french, english = say("too_long")
    with speaking("en"):
        assert sentence("too_long") == english
        with speaking("fr"):
            assert notice("too_long") == f"⚠️ {french}"
        with speaking(None):
            assert sentence("too_long") == f"{french}\n{english}"
        assert sentence("too_long") == english
    assert sentence("too_long") == f"{french}\n{english}"
