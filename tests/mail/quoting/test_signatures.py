"""What folds away at the end of a mail, and what looks like it and stays."""

import pytest

from bridge.networks.mail.quoting.new_text import visible

FOLDED = [
    "-- \nDr Marie Martin\nCH de Bellevue",
    "-- \nMarie",
    "--\nMarie Martin\nTél. 05 55 00 00 12",
    "---\nSecrétariat de cardiologie\nsec@chb.example",
    "Envoyé de mon iPhone",
    "Envoyé de mon iPad",
    "Envoyé depuis mon mobile Orange",
    "Envoyé de mon appareil Galaxy",
    "Envoyé à partir de Outlook pour iOS<https://aka.ms/o0ukef>",
    "Obtenir Outlook pour Android<https://aka.ms/AAb9ysg>",
    "Télécharger Outlook pour Android",
    "Provenance : Courrier pour Windows",
    "Envoyé avec la messagerie sécurisée Proton Mail.",
    "Envoyé depuis Yahoo Mail pour Android",
    "-- \nEnvoyé de mon appareil Android avec Courriel K-9 Mail. Veuillez excuser ma brièveté.",
    "Sent from my iPhone",
    "Sent from my Galaxy",
    "Sent from Outlook for Android",
    "Sent from Mail for Windows",
    "Get Outlook for iOS",
    "Sent with Proton Mail secure email.",
    "Ce message et ses pièces jointes sont confidentiels. Si vous avez reçu ce message par erreur, détruisez-le.",
    "________________________________\nCe courriel est destiné exclusivement à son destinataire.\nToute diffusion non "
    "autorisée est interdite.",
    "This e-mail is confidential. If you are not the intended recipient, please notify the sender and delete it.",
    "CONFIDENTIALITY NOTICE: This message is privileged. Any unauthorized disclosure is strictly prohibited.",
    "Ce message vous est adressé depuis une messagerie sécurisée de santé de l'espace de confiance MSSanté.\n"
    "Son contenu est confidentiel.",
    "Pensez à l'environnement avant d'imprimer ce message et ses pièces jointes.",
]

KEPT = [
    "-- \nAmoxicilline 1 g\nDr Petit",
    "--\nDr Petit prévenu",
    "--\nRappeler le 05 55 00 00 12",
    "Envoyé de mon cabinet vers les urgences",
    "Ce message est confidentiel.",
    "Merci de supprimer l'ordonnance envoyée par erreur ; le destinataire était le Dr Petit.",
    "Bien confraternellement,\n\nDr Marie Martin",
    "Cordialement,\nDr Martin\nRevoir mardi, 05 55 00 00 12",
]


@pytest.mark.parametrize("tail", FOLDED)
def test_folds(tail: str) -> None:
    seen = visible(f"Kaliémie à 5,1.\n\n{tail}\n", None)
    assert (seen.text, seen.signature, seen.quoted) == ("Kaliémie à 5,1.", tail, "")


@pytest.mark.parametrize("tail", KEPT)
def test_stays(tail: str) -> None:
    text = f"Kaliémie à 5,1.\n\n{tail}"
    seen = visible(text, None)
    assert (seen.text, seen.signature) == (text, "")


@pytest.mark.parametrize("tail", FOLDED)
def test_a_tail_alone_is_the_message(tail: str) -> None:
    """Nobody is shown an empty message."""
    assert visible(tail, None).text


def test_one_after_another_fold_together() -> None:
    text = f"Vu.\n\n{FOLDED[4]}\n\n{FOLDED[0]}\n\n{FOLDED[22]}"
    seen = visible(text, None)
    assert (seen.text, seen.signature) == ("Vu.", f"{FOLDED[4]}\n\n{FOLDED[0]}\n\n{FOLDED[22]}")


def test_name_stays_and_address_folds_after_a_closing() -> None:
    text = "Vu.\n\nBien cordialement,\nMarie Martin\nCardiologue\n12 rue des Lilas\n05 55 00 00 12"
    seen = visible(text, None)
    assert seen.text == "Vu.\n\nBien cordialement,\nMarie Martin"
    assert seen.signature == "Cardiologue\n12 rue des Lilas\n05 55 00 00 12"


def test_a_disclaimer_below_the_quotation_folds() -> None:
    quote = "Le 12/03/2026 à 10:15, Paul Durand a écrit :\n> Alors ?"
    seen = visible(f"Vu.\n\n{quote}\n\n{FOLDED[21]}", None)
    assert (seen.text, seen.quoted, seen.signature) == ("Vu.", quote, FOLDED[21])


def test_a_signature_that_only_the_markup_shows() -> None:
    html = '<div>Vu.</div><div class="gmail_signature"><div>Marie Martin</div><div>marie@chb.example</div></div>'
    seen = visible("Vu.\n\nMarie Martin\nmarie@chb.example", html)
    assert (seen.text, seen.signature) == ("Vu.", "Marie Martin\nmarie@chb.example")
    assert seen.html == "<body><div>Vu.</div></body>"


def test_what_was_written_inside_the_signature_stays() -> None:
    html = '<div>Bonjour</div><div id="Signature">Arrêtez l\'aspirine ce soir.<br>marie@chb.example</div>'
    assert "aspirine" in visible("", html).text
