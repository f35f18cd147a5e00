"""Encoded words are those of Python's own library, which takes a hundred times as long, and come back as they were."""

from __future__ import annotations

import random
from email.header import Header

import pytest

from bridge.networks.mail.letters.encoded_words import encoded_words
from bridge.networks.mail.mime.headers import words

NAMES = ("Subject", "Reply-To", "X", "X-MSS-ZIPMESSAGECONTEXT", "X-" + "y" * 57, "X-" + "y" * 59, "X-" + "y" * 70)
TEXTS = (
    "é", "Compte rendu d'hospitalisation de Mme Élodie Gœrtz-Dupré : suites opératoires",
    "a" * 200, "é" * 100, "=?utf-8?q?x?=", "?_=", "Résultat  de  l'examen", "Ελληνικά κείμενα " * 8,
    "患者の検査結果" * 9, "😀" * 40, "a😀b" * 30, "x" * 30 + "é", "x" * 43 + "é" * 3, "\u0301a" * 20, "ù ù ù _ = ?",
)  # fmt: skip


def _of_the_library(text: str, name: str) -> str:
    return Header(text, "utf-8", maxlinelen=75, header_name=name).encode(linesep="\n").replace("\n", "")


@pytest.mark.parametrize("name", NAMES)
def test_the_same_words(name: str) -> None:
    chance = random.Random(name)
    some = ["".join(chance.choices("aZ9 éœ€患😀=?_.,:'", k=chance.randrange(1, 90))) for _ in range(60)]
    for text in (*TEXTS, *map(" ".join, (each.split() for each in some))):
        if text:
            assert encoded_words(text, name) == _of_the_library(text, name)


def test_no_word_is_too_long_and_all_come_back() -> None:
    for text in TEXTS:
        value = encoded_words(text, "Subject")
        assert all(len(word) <= 75 for word in value.split(" "))
        assert words(value) == text


def test_half_a_character() -> None:
    with pytest.raises(UnicodeEncodeError):
        encoded_words("\ud83d", "Subject")
