"""Whole mails of real programs and servers (invented contents), byte for byte as they come."""

from pathlib import Path

import pytest

from bridge.networks.mail.letters.seven_bit import seven_bit
from bridge.networks.mail.mime.boxes import Box
from bridge.networks.mail.mime.mail import Mail, parse
from bridge.networks.mail.mime.report_reading import Dsn, Mdn
from bridge.networks.mail.mime.safe_html import clean, to_text

GOLDEN = Path(__file__).parent / "golden" / "mails"
ALL = sorted(path.stem for path in GOLDEN.glob("*.eml"))


def mail(name: str) -> Mail:
    return parse((GOLDEN / f"{name}.eml").read_bytes())


def named(found: Mail) -> list[tuple[str, str, str | None]]:
    return [(one.name, one.mime, one.inline) for one in found.files]


def test_outlook_with_a_picture_and_a_document() -> None:
    found = mail("outlook-image-et-pdf")
    assert found.sender == Box("helene.figere@chu.mssante.fr", "FIGÈRE Hélène")
    assert found.to == (Box("marie.martin@cabinet.mssante.fr", "MARTIN, Marie (Cabinet)"),)
    assert found.text.startswith("Bonjour,\n\nCi-joint la photo et le compte rendu de l’échographie.")
    assert named(found) == [
        ("image001.png", "image/png", "image001.png@01DA63D5.2E1C0AF0"),
        ("20240220_CR d'imagerie médicale_CORSE_FIGATELLIX.pdf", "application/pdf", None),
    ]
    assert found.files[0].data.startswith(b"\x89PNG")
    assert found.thread_index is not None
    assert (found.received, found.automatic, found.problems) == (1, None, ())
    shown = clean(found.html or "", [one.inline for one in found.files if one.inline])
    assert '<img width="120" height="80" src="cid:image001.png@01DA63D5.2E1C0AF0" alt="photo">' in shown
    assert "Mso" not in shown
    assert to_text(found.html or "").endswith("l’échographie.\n\n[photo]")


def test_apple_mail_with_a_picture_between_two_texts() -> None:
    found = mail("applemail-texte-image-texte")
    assert found.sender == Box("b.doumard@cabinet.mssante.fr", "Doumard Benédicte")
    assert found.text == "Avant la photo :\n\nAprès la photo."
    assert named(found) == [("région lombaire.png", "image/png", None)]


def test_thunderbird_forwards_a_mail_as_a_document() -> None:
    found = mail("thunderbird-transfert-en-piece-jointe")
    assert found.text == (
        "Bonjour, voici le mail du laboratoire, transféré tel quel pour que vous gardiez la pièce jointe."
        "\n\n-- \nSecrétariat"
    )
    assert (found.references, found.in_reply_to) == (("r1@labo.mssante.fr",), ())
    assert found.mdn_to == Box("secretariat@clinique.mssante.fr", "Secrétariat Clinique")
    assert named(found) == [("Résultats.eml", "message/rfc822", None)]
    raw = (GOLDEN / "thunderbird-transfert-en-piece-jointe.eml").read_bytes()
    assert found.files[0].data in raw
    inner = parse(found.files[0].data)
    assert (inner.subject, inner.text) == ("Résultats", "From now on : résultats joints.")
    assert (inner.files[0].name, inner.files[0].data) == ("RESULTAT.HPR", b"12345\r\nDUPONT\r\nMARIE\r\n")


def test_a_laboratory_that_writes_latin1_everywhere() -> None:
    found = mail("apicrypt-hprim-latin1")
    assert (found.subject, found.text) == ("Résultats d'analyses", "Ci-joint les résultats – à intégrer.")
    assert [one.name for one in found.files] == ["résultat 1.hpr", "IHE_XDM.zip"]
    assert found.files[0].data == "12345\r\nDUPONT\r\nHÉLÈNE\r\n****FIN****".encode("cp1252")
    assert found.files[1].data.startswith(b"PK\x03\x04")
    assert dict(found.mss) == {"X-MSS-INS": "N", "X-MSS-NIL": "APICRYPT"}
    assert found.sent_at == 1708671900000
    assert found.problems == ("no_last_boundary",)


def test_an_invitation_beside_tnef() -> None:
    found = mail("tnef-et-calendrier")
    assert found.text == "Réunion de concertation lundi à 18 h."
    assert named(found) == [
        ("invitation.ics", "text/calendar", None),
        ("winmail.dat", "application/ms-tnef", None),
    ]
    assert found.files[0].data.startswith(b"BEGIN:VCALENDAR")


def test_a_signed_mail_in_utf16() -> None:
    found = mail("signe-smime-utf16")
    assert (found.subject, found.text) == ("Courrier signé", "Courrier signé.")
    assert named(found) == [("smime.p7s", "application/pkcs7-signature", None)]
    assert found.problems == ("signed",)


def test_a_french_report_of_exchange() -> None:
    found = mail("exchange-ndr-fr")
    assert (found.subject, found.automatic) == ("Non remis : Demande d'avis", "bounce")
    assert found.text == "ben.absent@chu.mssante.fr : cette adresse n'existe pas."
    assert isinstance(found.report, Dsn)
    (one,) = found.report.recipients
    assert found.report.message_id == "d42@hub.mssante.fr"
    assert (one.address, one.action, one.status) == ("ben.absent@chu.mssante.fr", "failed", "5.1.10")
    assert one.diagnostic.endswith("Recipient not found by SMTP address lookup")
    assert named(found) == [("message.eml", "message/rfc822", None)]


def test_a_closed_box_of_a_citizen() -> None:
    found = mail("bal-citoyenne-message-non-distribue")
    assert (found.automatic, found.report) == ("bounce", None)
    assert found.in_reply_to == ("d43@hub.mssante.fr",)
    assert found.text == "Votre message n’a pas pu être remis : messagerie fermée."


def test_a_reading_receipt_of_outlook() -> None:
    found = mail("accuse-de-lecture-outlook")
    assert (found.subject, found.automatic) == ("Lu : Demande d'avis", "mdn")
    assert found.report == Mdn(
        "d44@hub.mssante.fr", "displayed", "ben@chu.mssante.fr", automatic=False, reporter="outlook"
    )


def test_somebody_is_away() -> None:
    found = mail("absence-gmail")
    assert (found.automatic, found.text) == ("auto-replied", "Je suis absente jusqu'au 15 mars. À bientôt.")


def test_traps() -> None:
    found = mail("pieges")
    assert found.sender == Box("eve@clinique.mssante.fr", "marie.martin@cabinet.mssante.fr")
    assert found.to == ()
    # An encoded word is a name, whatever it spells: no second mailbox comes out of it.
    assert found.cc == (Box("anna@cabinet.mssante.fr", "Anna <eve@evil.example>,"),)
    assert found.subject == "gnp.tluser Urgent"
    assert found.references == ("x@y", "z@y")
    assert found.sent_at is None
    assert found.text == "Cliquez ici"
    assert clean(found.html or "") == "<p>Cliquez <a>ici</a></p>"
    assert found.files[0].name == "facturefdp.exe"
    assert found.files[1].mime == "message/external-body"
    assert found.problems == ("odd_date", "text_around")


@pytest.mark.parametrize("name", ALL)
def test_all_of_them_pass_through_seven_bits(name: str) -> None:
    before = mail(name)
    narrow = seven_bit((GOLDEN / f"{name}.eml").read_bytes())
    after = parse(narrow)
    assert narrow.isascii()
    assert (after.text, after.html, after.report, after.automatic) == (
        before.text,
        before.html,
        before.report,
        before.automatic,
    )
    assert (after.message_id, after.references, after.subject) == (before.message_id, before.references, before.subject)
    assert len(after.files) == len(before.files)


@pytest.mark.parametrize("name", ALL)
def test_none_of_them_is_in_a_repr(name: str) -> None:
    found = mail(name)
    shown = repr(found)
    for text in (found.text, found.subject, *(one.name for one in found.files if one.name != "message")):
        assert text not in shown
