"""Drafts of mails hold where a file lies; those of an earlier hub hold its bytes, and still leave."""

from __future__ import annotations

from typing import Any

from bridge.model import Body, Delivery, File, Kind, Member, Person, StoredFile
from bridge.networks.mail.leg.drafts import draft, said
from bridge.networks.mail.mime.boxes import Box

BOX = Box("cleo@hub.example", "Cléo Petit")
OLD: dict[str, Any] = {"files": [["a.pdf", "application/pdf", "JVBERg==", None], ["b.png", "image/png", "AAE=", "cid"]]}


def kept(*files: File) -> dict[str, Any]:
    cleo = Person("rpps:10000000003", "Cléo Petit")
    members: tuple[Member, ...] = ()
    return draft(Delivery("d", "mail", "m", "c", None, cleo, Kind.TEXT, Body("Voici", files=files), members, 1, 2), BOX)


def test_a_draft_of_an_earlier_hub_still_leaves() -> None:
    files = (File("a.pdf", "application/pdf", b"%PDF"), File("b.png", "image/png", b"\0\1", "cid"))
    assert said("d", 1, kept() | OLD).files == files


def test_a_draft_holds_where_a_file_lies_and_not_what_is_in_it() -> None:
    stored, small = (
        File("a.pdf", "application/pdf", StoredFile("h", 3, "ab"), "x"),
        File("b.txt", "text/plain", b"clair"),
    )
    assert said("d", 1, kept(stored, small)).files == (stored, small)
