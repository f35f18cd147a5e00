"""Documents that come by mail, as a colleague's product shows them: marks, names of pictures, one patient a thread."""

from __future__ import annotations

import base64
from email.message import EmailMessage
from pathlib import Path

from tests.mail.documents import make
from tests.mail.hub import ANNA, CLEO_BOX, PEER, Written, running
from tests.mail.space import Space

CASES = Path(__file__).parent / "golden" / "cases"
ORIGINAL = "message-original.eml"
JPEG = base64.b64encode(b"\xff\xd8\xff\xe0").decode()


def with_files(mid: str, *files: tuple[str, str, bytes]) -> bytes:
    """A mail of Anna's with these files (name, type, bytes)."""
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = f"Anna Martin <{ANNA}>", CLEO_BOX, "Résultats"
    mail["Message-ID"], mail["Date"] = f"<{mid}@{PEER}>", "Sun, 22 Nov 2026 01:00:00 +0000"
    mail.set_content("Ci-joint.")
    for name, mime, data in files:
        main, _, sub = mime.partition("/")
        mail.add_attachment(data, maintype=main, subtype=sub, filename=name)
    return mail.as_bytes().replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


async def test_marks_and_names_reach_the_reader(tmp_path: Path, space: Space) -> None:
    eyes = (
        "<table><tr><td>Œil gauche</td><td>Œil droit</td></tr><tr><td><renderMultiMedia referencedObject='g'/></td>"
        "<td><renderMultiMedia referencedObject='d'/></td></tr></table>"
    )
    pictures = "".join(
        f"<entry><observationMedia ID='{ident}'><value mediaType='image/jpeg' representation='B64'>{data}</value>"
        "</observationMedia></entry>"
        for ident, data in (("d", JPEG), ("g", JPEG[:-4] + "4Q=="))
    )
    eye = make.cda(make.section(eyes).replace("</text>", f"</text>{pictures}"))
    flagged = (CASES / "flag-HH-only-in-entry.xml").read_bytes()
    async with running(tmp_path, space) as node:
        await node.hand_in(with_files("m1", ("labo.xml", "text/xml", flagged)), CLEO_BOX)
        seen = await node.got("Hors limites : Potassium 7.1 mmol/L ▲▲ (très élevé)")
        assert "Nom utilisé : USAGE MARIE" in seen.body.text
        assert [file.data for file in seen.body.files] == [flagged]
        await node.hand_in(with_files("m2", ("oeil.xml", "text/xml", eye)), CLEO_BOX)
        seen = await node.got("Œil gauche | Œil droit")
        assert "[image-2.jpg] | [image-1.jpg]" in seen.body.text
        assert [file.name for file in seen.body.files] == ["oeil.xml", "image-1.jpg", "image-2.jpg"]
        message = (CASES / "oru-r01.hl7").read_bytes()
        await node.hand_in(with_files("m3", ("oru.hl7", "application/octet-stream", message)), CLEO_BOX)
        seen = await node.got("Potassium : 7.1 mmol/L ▲▲ (3.5 – 5.0)")
        assert [file.data for file in seen.body.files] == [message]


async def test_files_of_results_in_the_text_of_two_mails_keep_their_patients_apart(
    tmp_path: Path, space: Space
) -> None:
    jeanne = (CASES / "hprim-body.txt").read_text("utf-8")
    odile = jeanne.replace("MARTIN\nJEANNE", "ROUX\nODILE").replace("01/02/1950", "14/07/1958").replace("6.9", "4.1")
    async with running(tmp_path, space) as node:
        await node.hand_in(Written(jeanne, mid=f"m1@{PEER}").raw(), CLEO_BOX)
        first = await node.got("Patient : MARTIN JEANNE")
        assert "POTASSIUM : 6.9 mEq/l ▲▲" in first.body.text
        assert "****" not in first.body.text
        assert [file.name for file in first.body.files] == [ORIGINAL]
        await node.hand_in(Written(odile, mid=f"m2@{PEER}", replies=[f"m1@{PEER}"]).raw(), CLEO_BOX)
        second = await node.got("Patient : ROUX ODILE")
        assert second.thread is None  # it begins one of its own
        await node.hand_in(Written(jeanne, subject="suite", mid=f"m3@{PEER}", replies=[f"m1@{PEER}"]).raw(), CLEO_BOX)
        await node.rest()
        assert node.shown()[-1].thread == node.products["pandalab"]._refs[first.id]
