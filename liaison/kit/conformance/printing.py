"""The report as text for a terminal, as JUnit XML for a build, and as a page. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Literal
from xml.sax.saxutils import escape as xml
from xml.sax.saxutils import quoteattr

from liaison.kit.conformance.judge import Line, Verdict

Language = Literal["fr", "en"]
_MARKS = {Verdict.PASSED: "✓", Verdict.FAILED: "✗", Verdict.SKIPPED: "–"}
_COLOURS = {Verdict.PASSED: "32", Verdict.FAILED: "31", Verdict.SKIPPED: "33"}
_WORDS = {
    "fr": ("à corriger", "vu", "tout est conforme", "{} conformes, {} à corriger, {} non vérifiés"),
    "en": ("to mend", "seen", "all is as it should be", "{} passed, {} to mend, {} not checked"),
}
_SHORT = {"fr": {Verdict.PASSED: "conforme", Verdict.FAILED: "à corriger", Verdict.SKIPPED: "non vérifié"},
          "en": {Verdict.PASSED: "passed", Verdict.FAILED: "to mend", Verdict.SKIPPED: "not checked"}}  # fmt: skip


def _said(line: Line, language: Language) -> tuple[str, str]:
    which = 0 if language == "fr" else 1
    return line.rule.what[which], line.rule.mend[which]


def summary(lines: Sequence[Line], language: Language) -> str:
    """How many of each."""
    counts = [sum(line.verdict is verdict for line in lines) for verdict in Verdict]
    return _WORDS[language][3].format(*counts)


def text(lines: Sequence[Line], language: Language, *, colour: bool) -> str:
    """A line for each rule, and below what failed what was seen and what to do."""
    mend, seen, fine, _ = _WORDS[language]
    width = max((len(line.rule.id) for line in lines), default=0)
    out = []
    for line in lines:
        what, advice = _said(line, language)
        mark = _MARKS[line.verdict]
        shown = f"\x1b[{_COLOURS[line.verdict]}m{mark}\x1b[0m" if colour else mark
        out.append(f"{shown} {line.rule.id:<{width}}  {what}")
        if line.verdict is not Verdict.PASSED:
            out.append(f"  {'':<{width}}    {seen}: {line.seen}")
        if line.verdict is Verdict.FAILED:
            out.append(f"  {'':<{width}}    {mend}: {advice}")
    whole = all(line.verdict is Verdict.PASSED for line in lines)
    return "\n".join([*out, "", fine if whole else summary(lines, language), ""])


def junit(lines: Sequence[Line], language: Language) -> str:
    """JUnit XML, as build servers read it: a test case for each rule."""
    count = {verdict: sum(line.verdict is verdict for line in lines) for verdict in Verdict}
    head = f'tests="{len(lines)}" failures="{count[Verdict.FAILED]}" errors="0" skipped="{count[Verdict.SKIPPED]}"'
    out = ['<?xml version="1.0" encoding="UTF-8"?>', f'<testsuite name="liaison conformance" {head}>']
    for line in lines:
        what, advice = _said(line, language)
        case = f"<testcase classname={quoteattr('liaison.' + line.rule.subject)} name={quoteattr(line.rule.id)}"
        match line.verdict:
            case Verdict.PASSED:
                out.append(f"{case}/>")
            case Verdict.SKIPPED:
                out.append(f"{case}><skipped message={quoteattr(line.seen)}/></testcase>")
            case Verdict.FAILED:
                failure = f"<failure message={quoteattr(what)}>{xml(line.seen)}\n{xml(advice)}</failure>"
                out.append(f"{case}>{failure}</testcase>")
    return "\n".join([*out, "</testsuite>", ""])


_PAGE = """<!doctype html>
<html lang="{language}"><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>liaison conformance</title>
<style>
body {{ font: 16px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 60rem; padding: 0 1rem; color: #1a1a1a; }}
table {{ border-collapse: collapse; width: 100%; }}
td {{ border-bottom: 1px solid #ccc; padding: .4rem .6rem; vertical-align: top; }}
td:first-child {{ white-space: nowrap; }}
.failed {{ background: #fdecea; }} .skipped {{ color: #555; }} small {{ display: block; }}
</style>
<h1>liaison conformance</h1>
<p>{summary}</p>
<table>
{rows}
</table></html>
"""


def page(lines: Sequence[Line], language: Language) -> str:
    """A page that needs nothing else."""
    mend, seen, _, _ = _WORDS[language]
    rows = []
    for line in lines:
        what, advice = _said(line, language)
        more = "" if line.verdict is Verdict.PASSED else f"<small>{escape(seen)} : {escape(line.seen)}</small>"
        if line.verdict is Verdict.FAILED:
            more += f"<small><strong>{escape(mend)} : {escape(advice)}</strong></small>"
        verdict = f"{_MARKS[line.verdict]} {_SHORT[language][line.verdict]}"
        cells = f"<td>{verdict}</td><td><code>{escape(line.rule.id)}</code></td><td>{escape(what)}{more}</td>"
        rows.append(f'<tr class="{line.verdict}">{cells}</tr>')
    return _PAGE.format(language=language, summary=escape(summary(lines, language)), rows="\n".join(rows))
