"""Mails that real programs write in unlike ways (invented contents), as the far end of the hub sees them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from bridge.model import Delivery, Kind
from deploy.world.waiting import until
from tests.mail.hub import BEN_BOX, PEER, Node, running
from tests.mail.space import Space

CASES = Path(__file__).parent / "mails"
ORIGINAL = "message-original.eml"
WRITER = f"anna@{PEER}"


@dataclass(frozen=True)
class Right:
    """What a reader must get: the text below the subject, what the HTML holds in this order, the files."""

    text: str
    html: tuple[str, ...] = ()
    files: tuple[str, ...] = ()


POTASSIUM = "Potassium a 6,8 mmol/l"
RIGHT = {
    "01-apple-html-pdf-html": Right(
        f"{POTASSIUM} ce matin.\n\nMerci de la rappeler.", ("6,8 mmol/l", "Merci de la rappeler."), ("bilan.pdf",)
    ),
    "02-apple-no-plain": Right(
        f"{POTASSIUM} ce matin.\nMerci de la rappeler.", ("6,8 mmol/l", "Merci de la rappeler."), ("bilan.pdf",)
    ),
    "03-first-mail-quote-button": Right(
        "Voici ce que dit le laboratoire :\n\n> Potassium 6,8 mmol/l. Appeler la patiente.",
        ("Voici", "Appeler la patiente."),
    ),
    "04-first-mail-paste-as-quotation": Right(
        "Consigne du Dr B pour ce soir :\n>\n> Arreter la warfarine, INR 6,2. Vitamine K 5 mg.",
        ("Consigne", "Arreter la warfarine, INR 6,2."),
    ),
    "05-base64-joined": Right(
        f"Message externe : prudence.\n{POTASSIUM}, appeler la patiente.", files=(ORIGINAL,)
    ),
    "06-base64-joined-html": Right(
        f"Message externe : prudence !!\n\n{POTASSIUM}, appeler la patiente.", ("prudence", "6,8"), (ORIGINAL,)
    ),
    "07-base64-label-plain-text": Right(
        "Bonjour, potassium a 6,8 mmol/l. Appeler la patiente.", files=(ORIGINAL,)
    ),
    "10-no-to-bcc": Right("Fermeture du service vendredi."),
    "11-calendar-only": Right("Apporter le scanner.", ("RCP pneumo", "09:00", "Salle 2"), ("invitation.ics",)),
    "12-rfc822-no-name": Right("Voir ci-joint.", files=("message.eml",)),
    "13-name-us-ascii-2231": Right("x", files=("Compte rendu opératoire.jpg",)),
    "15-auto-reply-with-receipt-request": Right("Je suis absente."),
    "16-attachment-only": Right("", files=("cr.pdf",)),
    "17-utf7": Right("Relevé : > 6,8 mmol/l, arrêter.", files=(ORIGINAL,)),
    "18-alternative-two-texts-in-mixed": Right(
        "Avant la piece jointe : potassium 6,8.\n\nApres la piece jointe : arreter le diurétique.", files=("cr.pdf",)
    ),
    "19-text-markdown": Right("Potassium **6,8**, appeler."),
    "26-tnef-rtf-only": Right(f"{POTASSIUM}, appeler la patiente.", ("patiente",), ("winmail.dat",)),
}  # fmt: skip


async def taken(node: Node, name: str) -> Delivery:
    """The case, as Ben's product was given it."""
    before = len(node.shown("siilo"))
    await node.hand_in((CASES / f"{name}.eml").read_bytes(), BEN_BOX, sender=WRITER)
    await until(lambda: len(node.shown("siilo")) > before, name)
    return node.shown("siilo")[-1]


async def test_each_is_shown_whole(tmp_path: Path, space: Space) -> None:
    async with running(tmp_path, space) as node:
        for name, right in RIGHT.items():
            found = await taken(node, name)
            assert found.body.text.endswith(right.text), name
            assert tuple(file.name for file in found.body.files) == right.files, name
            places = [(found.body.html or "").find(part) for part in right.html]
            assert -1 not in places, name
            assert places == sorted(places), name
            assert (found.kind is Kind.NOTICE) == name.startswith("15-"), name


async def test_an_id_used_twice_and_mails_without_one_are_mails_of_their_own(tmp_path: Path, space: Space) -> None:
    async with running(tmp_path, space) as node:
        first, second = await taken(node, "14a-same-id-first"), await taken(node, "14b-same-id-other-text")
        assert "Levothyrox 75." in first.body.text
        assert "Erreur : Levothyrox 50, pas 75." in second.body.text
        raw = (CASES / "21-two-mails-no-id.eml").read_bytes()
        await node.hand_in(raw, BEN_BOX, sender=WRITER)
        await node.hand_in(raw.replace(b"08:00:00", b"08:05:00"), BEN_BOX, sender=WRITER)
        await until(lambda: len(node.shown("siilo")) == 4, "both mails without an id")
        await node.hand_in(raw, BEN_BOX, sender=WRITER)  # sent again
        await node.rest()
        assert len(node.shown("siilo")) == 4


@pytest.mark.parametrize("after", ["Pied de page : K 6,8, appeler.", "<p>K 6,8, appeler.</p>"])
async def test_what_stands_after_the_end_of_the_html_is_shown(tmp_path: Path, space: Space, after: str) -> None:
    async with running(tmp_path, space) as node:
        raw = (CASES / "04-first-mail-paste-as-quotation.eml").read_bytes().rstrip() + after.encode() + b"\r\n"
        await node.hand_in(raw, BEN_BOX, sender=WRITER)
        found = await node.got("Consigne", "siilo")
        assert "K 6,8, appeler." in found.body.text
        assert "K 6,8, appeler." in (found.body.html or "")


@pytest.mark.parametrize(
    ("piece", "said"),
    [("<p>Rappeler demain.</p>", False), ("<div hidden>Rappeler demain.</div>", True), ("<p>Hb <moins de 8</p>", True)],
)
async def test_what_may_not_be_shown_is_said(tmp_path: Path, space: Space, piece: str, said: bool) -> None:
    async with running(tmp_path, space) as node:
        raw = (CASES / "04-first-mail-paste-as-quotation.eml").read_bytes().rstrip() + piece.encode() + b"\r\n"
        await node.hand_in(raw, BEN_BOX, sender=WRITER)
        found = await node.got("Consigne", "siilo")
        assert ("Une partie de ce mail n'est peut-être pas affichée" in found.body.text) == said
        assert [file.name for file in found.body.files] == ([ORIGINAL] if said else [])
