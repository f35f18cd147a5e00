"""A quotation that repeats what was said is known again, however it is broken into lines; one changed word is seen."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.networks.mail.quoting.said_before import MOST_WORDS, prints, repeats

MAIL = (
    "Cléo Petit, pharmacien · 9:31\nBonjour Anna,\n"
    "pouvez-vous revoir l'ordonnance de demain ? Potassium 5,9 mmol/L ce matin.\n"
    "Oui\n\n-- \nMessage d'une conversation Liaison : répondez à tous.\n"
)
SAID = "Le dim. 22 nov. 2026 à 10:42, Cléo Petit <cleo@hub.example> a écrit :\n"


def quoted(text: str) -> str:
    return "".join(f"> {line}\n" for line in text.split("\n"))


@pytest.mark.parametrize(
    "text",
    [
        quoted(MAIL), SAID + quoted(MAIL), "\n" + SAID + "\n" + quoted(MAIL.partition("\n-- ")[0]), MAIL,
        quoted("Bonjour Anna, pouvez-vous revoir\nl'ordonnance de\ndemain ? Potassium 5,9\nmmol/L ce matin."),
        quoted("Oui"), SAID + "> Oui", quoted(quoted(MAIL)), "POTASSIUM 5,9  mmol/l",
        "-----Message d'origine-----\nDe : Cléo Petit <cleo@hub.example>\nEnvoyé : dimanche 22 novembre 2026 10:42\n"
        "À : anna@mss-a.example\nObjet : Cléo Petit : pouvez-vous revoir\n\n" + MAIL,
    ],
)  # fmt: skip
def test_what_repeats_a_mail_is_known(text: str) -> None:
    assert repeats(text, [prints("autre chose"), prints(MAIL)])


@pytest.mark.parametrize(
    "text",
    [
        quoted(MAIL.replace("5,9", "6,9")), quoted(MAIL.replace("5,9", "-5,9")), quoted(MAIL.replace("5,9", "59")),
        quoted(MAIL.replace("Oui", "Non")), quoted(MAIL) + "D'accord pour jeudi\n",
        "Prenez 2 comprimés\n" + SAID + quoted(MAIL),
        SAID + quoted(MAIL) + SAID.replace("Cléo", "Eve") + "> Non", quoted("demain Oui"), quoted("ce"),
        quoted(MAIL.replace("Anna", "Léa")), SAID + "oui, arrêtez\n" + quoted(MAIL),
    ],
)  # fmt: skip
def test_what_says_more_is_not(text: str) -> None:
    assert not repeats(text, [prints(MAIL)])


def test_without_anything_kept_nothing_is_known() -> None:
    assert not repeats(quoted(MAIL), [])
    assert not repeats("> ", [])
    assert not repeats(quoted(MAIL), [b"", b"abc"])


def test_two_mails_together_are_known() -> None:
    assert repeats(quoted("Merci Cléo.\n\n" + SAID + quoted(MAIL)), [prints(MAIL), prints("Merci Cléo.\n\n" + SAID)])


def test_little_is_kept_and_nobody_reads_it() -> None:
    long = "\n".join(f"mot{n} est ici" for n in range(10_000))
    kept = prints(long)
    assert len(kept) <= 2 * MOST_WORDS * 5
    assert repeats("mot7 est ici", [kept])
    assert not repeats("mot9000 est ici", [kept])
    assert b"mot" not in kept


@settings(max_examples=100, derandomize=True, deadline=None)
@given(st.text(), st.text())
def test_any_text(text: str, other: str) -> None:
    repeats(text, [prints(other)])
    words = bool(prints(text))
    assert (
        repeats(quoted(text), [prints(text)]) or not words or text.count("\n") > 0 or "\r" in text or text[:1] in " >|"
    )
