"""docs/kinds.md from the table of kinds and what each leg declares: ``python -m tests.kinds_page`` writes it."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

from appservice.arriving.incoming import _SILENT
from appservice.process.matrix import carries
from bridge.capabilities import fit
from bridge.connector import Capabilities
from bridge.errors import Refused
from bridge.extras import Choice, ContactCard, Location, Poll, PollResult, Vote
from bridge.forms import wording
from bridge.kinds import KINDS, Unable
from bridge.model import Address, Body, Cited, Delivery, Kind, Member, Person, Ref
from bridge.networks.connect.abilities import Abilities, able
from bridge.networks.connect.profiles import PROFILES
from bridge.networks.mail.leg.connector import MailConnector
from bridge.words import speak

PAGE = Path(__file__).parents[1] / "docs" / "kinds.md"
ALL: list[Any] = ["edit", "removal", "reaction", "handled", "poll"]
_PLAIN = PROFILES["pandalab"].capabilities
_SHOWS = dict.fromkeys(("html", "replies", "threads", "mentions", "locations", "contacts", "stickers", "voice"), True)
LEGS: dict[str, Capabilities] = {
    "Matrix": carries(SimpleNamespace(max_files=100_000_000)),  # type: ignore[arg-type]
    "a product that declares all": able(_PLAIN, Abilities(kinds=ALL, **_SHOWS), {}),  # type: ignore[arg-type]
    "a product that declares nothing": able(_PLAIN, Abilities(replies=False), {}),
    "mail": MailConnector.capabilities,
}
BEN = Person("rpps:10000000002", "Ben Durand")
AT, NOW = 1_772_353_860_000, 1_772_355_000_000
speak("fr")
_POLL = Poll("Quel jour ?", (Choice("a", "Mardi"), Choice("b", "Jeudi")))
_PLACE, _CARD = Location(45.75, 4.85, None, "Urgences"), ContactCard("BEGIN:VCARD\nTEL:+33123456789", "Cléo Petit")
SAMPLES: list[tuple[str, Kind, Body]] = [
    ("text", Kind.TEXT, Body("Bonjour")),
    ("formatted text", Kind.TEXT, Body("Bonjour", "<b>Bonjour</b>")),
    ("notice", Kind.NOTICE, Body("Automatique")),
    ("emote", Kind.EMOTE, Body("salue")),
    ("answer", Kind.TEXT, Body("Oui")),
    ("mention", Kind.TEXT, Body("@Cléo ?", mentions=("rpps:10000000003",))),
    ("to everybody", Kind.TEXT, Body("Réunion", everybody=True)),
    ("urgent", Kind.TEXT, Body("K+ 6,9", urgent=True)),
    ("place", Kind.TEXT, Body(wording.location(_PLACE), extra=_PLACE)),
    ("card", Kind.TEXT, Body(wording.contact(_CARD), extra=_CARD)),
    ("edit", Kind.EDIT, Body("50 mg")),
    ("removal", Kind.REMOVAL, Body()),
    ("reaction", Kind.REACTION, Body("👍")),
    ("dealt with", Kind.HANDLED, Body("✅ Traité")),
    ("poll", Kind.POLL, Body(wording.poll(_POLL), extra=_POLL)),
    ("vote", Kind.VOTE, Body(extra=Vote(("b",)))),
    ("end of a poll", Kind.POLL_END, Body("", extra=PollResult(_POLL, (1, 3), 4))),
    ("call", Kind.CALL, Body("")),
]
speak("both")
_SAYS = {
    Unable.CARRY: "every network carries it",
    Unable.SAY: "said as a text",
    Unable.ANSWER: "said as a text, to the network of who wrote what it is about, once for each person",
    Unable.COUNT: "not given: a vote counts in the result, a picture is seen elsewhere",
}


def _delivery(name: str, kind: Kind, body: Body) -> Delivery:
    member = Member(Person("rpps:10000000003", "Cléo Petit"), Address("x", "cleo"))
    about = Ref("x", "1") if KINDS[kind].about or name == "answer" else None
    cited = Cited(Kind.TEXT, BEN, AT) if about else None
    return Delivery("d", "x", "m", "c", "a", BEN, kind, body, (member,), NOW, 0, reply_to=about, cited=cited)


def cell(name: str, kind: Kind, body: Body, leg: Capabilities) -> str:
    """What becomes of a message on a leg."""
    body = Body(wording.counts(body.extra), extra=body.extra) if isinstance(body.extra, PollResult) else body
    body = Body(wording.call()) if kind is Kind.CALL else body
    sent = _delivery(name, kind, body)
    try:
        got = fit(sent, leg)
    except Refused:
        return "counted" if KINDS[kind].unable is Unable.COUNT else "told"
    if kind is Kind.REACTION and got.kind is not kind and not leg.answers:
        return "told"
    if (got.kind, got.body, got.reply_to) == (sent.kind, sent.body, sent.reply_to):
        return "as it is"
    if got.kind is Kind.REACTION:
        return f"reaction {got.body.text}"
    return "text: " + got.body.text.replace("\n", " ⏎ ") if got.body.text != "Bonjour" else "text"


def page() -> str:
    """The whole page."""
    speak("fr")
    try:
        lines = [
            "# What becomes of each kind of message",
            "",
            "Made from the code by `python -m tests.kinds_page`; a test compares. A leg gets what it declares;",
            "the hub says the rest in words (`bridge/capabilities.py`, `bridge/kinds.py`), in the house's languages.",
            "Nothing is dropped without an effect or a word: `told`: the writer hears that it was not carried,",
            "`counted` that a vote is in the result. A text that is longer than a leg takes goes in numbered parts.",
            "",
            "| kind | " + " | ".join(LEGS) + " |",
            "|---|" + "---|" * len(LEGS),
        ]
        for name, kind, body in SAMPLES:
            lines.append(f"| {name} | " + " | ".join(cell(name, kind, body, leg) for leg in LEGS.values()) + " |")
        lines += ["", "## The rule of each kind", "", "| kind | where it is not carried |", "|---|---|"]
        lines += [f"| `{kind.value}` | {_SAYS[rule.unable]} |" for kind, rule in KINDS.items()]
        lines += [
            "",
            "A mail says edits, removals and reactions in its own form (docs/behaviour.md). Who takes a message back",
            "hears where it can still be read.",
            "",
            "## What stays silent in Matrix",
            "",
            "State events, and what clients say among themselves: " + ", ".join(f"`{one}*`" for one in _SILENT) + ".",
            "Every other event is carried as its fallback text (`body`, `m.text`), or refused in words without one.",
        ]
        return "\n".join(lines) + "\n"
    finally:
        speak("both")


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
