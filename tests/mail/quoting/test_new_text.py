"""What a mail newly says: golden mails of each client, and what must never be cut."""

import re
from pathlib import Path

import pytest

from bridge.networks.mail.mime.mail import parse
from bridge.networks.mail.mime.safe_html import to_text
from bridge.networks.mail.quoting.new_text import Visible, forwarded, visible

CLIENTS = Path(__file__).parent / "golden" / "clients"
MAILS = sorted(CLIENTS.glob("*.eml"))


def letters(text: str) -> str:
    return "".join(filter(str.isalpha, text.casefold()))


def shown(text: str, html: str | None = None, subject: str = "") -> str:
    return visible(text, html, subject).text


# Golden mails: <client>-<language>-<reply|inline|first|forward>[-detail].eml


def test_there_are_enough_clients_in_both_languages() -> None:
    names = [path.stem.split("-") for path in MAILS]
    assert len({client for client, *_ in names}) >= 14
    assert len(MAILS) >= 40
    assert {language for _, language, *_ in names} == {"fr", "en"}
    assert {kind for _, _, kind, *_ in names} == {"reply", "inline", "first", "forward"}


def test_golden_mails_keep_their_bytes() -> None:
    for path in MAILS:
        assert re.search(rb"[^\r]\n", path.read_bytes()) is None, path.name


@pytest.mark.parametrize("path", MAILS, ids=lambda path: path.stem)
def test_golden(path: Path) -> None:
    mail = parse(path.read_bytes())
    seen = visible(mail.text, mail.html, mail.subject)
    kind = path.stem.split("-")[2]
    assert seen.text + "\n" == path.with_suffix(".expected.txt").read_bytes().decode()
    assert bool(seen.quoted) == (kind == "reply")
    assert forwarded(mail.text, mail.subject) == (kind == "forward")
    assert mail.problems == ()
    assert (seen.html is None) == (mail.html is None)
    if mail.html is not None and seen.html is not None and kind in {"reply", "first"}:
        assert letters(to_text(seen.html)) == letters(seen.text)


@pytest.mark.parametrize("path", MAILS, ids=lambda path: path.stem)
def test_golden_text_alone_says_the_same(path: Path) -> None:
    mail = parse(path.read_bytes())
    assert shown(mail.text, None, mail.subject) + "\n" == path.with_suffix(".expected.txt").read_bytes().decode()


@pytest.mark.parametrize("path", [p for p in MAILS if b"text/html" in p.read_bytes()], ids=lambda path: path.stem)
def test_golden_html_alone_says_the_same(path: Path) -> None:
    mail = parse(path.read_bytes())
    seen = visible("", mail.html, mail.subject)
    wanted = path.with_suffix(".expected.txt").read_bytes().decode()
    assert letters(seen.text) == letters(wanted)


# What must never be cut.

CLINICAL = [
    "De : 12 à 14 h, Objet : rendez-vous\nMerci de confirmer.",
    "De : Paris\nÀ : Lyon\nDate : 12/03/2026 10:15\nObjet : transport sanitaire\n\nDépart à 9 h.",
    "----------------\nDe : CHU\nÀ : Clinique\nDate : 12/03/2026\nObjet : transfert\n\nDépart à 9 h.",
    "Kaliémie\n> 5 mmol/l\n\nÀ recontrôler.",
    "Seuil :\n> 5 mmol/l",
    "INR\n> 3\nArrêt.\n> 5\nVitamine K.",
    "Le 12 mars 2026 le patient a écrit :\nje veux arrêter le traitement.\n\nQue faire ?",
    "Le 12 mars 2026 à 10:15, le patient a écrit :\n> je veux arrêter\n\nQue faire ?",
    "On 12 March 2026 the patient wrote:\nI want to stop.\n\nWhat now?",
    "Premier avis.\n\n----------------------------\n\nDeuxième avis.",
    "Premier avis.\n\n________________________________\n\nDeuxième avis.",
    "From 3 to 5 days\nTo 10 mg\nSubject to renal function",
    "Traitement :\n-- Paracétamol 1 g\n-- Ibuprofène 400 mg",
    "Traitement :\n--\nParacétamol 1 g",
    "Traitement :\n-- \nParacétamol 1 g\nDr Petit prévenu",
    "Message original reçu ce matin.\nIl manque la page 2.",
    "-----Message d'origine-----\nabsent du dossier, merci de le renvoyer.",
    "Elle a écrit : « plus jamais ».\nLe Dr Petit l'a vue.",
    "Ce message est confidentiel : ne rien dire à la famille.",
    "Vu.\n\nCe message annule celui envoyé par erreur, merci de le supprimer : la dose est 5 mg.",
    "Vu.\n\nMessage du laboratoire : confidentialité respectée, destinataire prévenu par téléphone.",
    "Cordialement,\nDr Martin\nPS : penser à l'INR de jeudi, tél. 05 55 00 00 12",
    "Cordialement,\nDr Martin\nAmoxicilline 1 g matin et soir\n05 55 00 00 12",
    "Vu.\nEnvoyé de mon service vers la réanimation, intubé, sous noradrénaline 0,5 mg/h, pronostic réservé.",
    "Envoyé de mon iPhone 12 à 5 mg/h",
    "Cordialement,\nDr Martin\nRappeler la patiente au 05 55 00 00 12",
    "Traitement :\n---\nDr Petit prévenu\nSecrétariat prévenu",
    "Rendez-vous\nDate : 12/03/2026\nÀ : 10 h\nObjet : contrôle",
    "Paul Durand <paul@x.example> a écrit : je passe demain.",
    "Date : 12/03/2026\nDe : CHU\nÀ : Clinique\nObjet : transfert\n\nDépart à 9 h.",
    "Il est venu le 12/03/2026 à 10:15 et a écrit :\nje veux arrêter.",
    "Data: 12/03/2026\nPara: 10 mg\nAn: 2026",
    "*** URGENT ***\nRappeler la patiente.",
]


@pytest.mark.parametrize("text", CLINICAL)
def test_clinical_text_is_never_cut(text: str) -> None:
    seen = visible(text, None)
    assert (seen.text, seen.quoted, seen.signature) == (text, "", "")


@pytest.mark.parametrize("text", CLINICAL)
def test_clinical_text_stays_before_a_quotation(text: str) -> None:
    quote = "Le 12/03/2026 à 10:15, Paul Durand <paul@x.example> a écrit :\n> Alors ?"
    seen = visible(f"{text}\n\n{quote}", None)
    assert seen.text.startswith(text)
    assert seen.quoted in {"", quote}


# Markers and their limits.

BLOCK = "De : Paul Durand <paul@x.example>\nEnvoyé : jeudi 12 mars 2026 10:15\nÀ : Marie\nObjet : INR\n\nAlors ?"
SAID = "Le 12/03/2026 à 10:15, Paul Durand a écrit :"


@pytest.mark.parametrize(
    "marker",
    [
        SAID + "\n> Alors ?",
        "Le 12/03/2026 à 10:15, Paul Durand a écrit\u00a0:\n> Alors ?",
        "Le\u00a0jeu. 12 mars 2026 à\u202f10h15, Paul Durand <\npaul@x.example> a\nécrit :\n\n> Alors ?",
        "Le 12/03/2026 à 10:15, Le Goff Paul a écrit :\n> Alors ?",
        "Le 12/03/2026 à 10:15, Dr de la Tour a écrit :\n> Alors ?",
        "Le 1er mars 2026 à 10:15, Paul <paul@x.example> a écrit :\n\nAlors ?",
        "On Mar 12, 2026, at 10:15 AM, Paul Durand <paul@x.example> wrote:\n\n> Well?",
        "2026-03-12 10:15 GMT+01:00 Paul Durand <paul@x.example>:\n\n> Alors ?",
        "---- Le jeu., 12 mars 2026 10:15:42 +0100 Paul <paul@x.example> a écrit ----\n\nAlors ?",
        BLOCK,
        BLOCK.replace("De :", "De\u00a0:").replace("Objet :", "Objet\u00a0:"),
        "________________________________\n" + BLOCK,
        "-----Message d'origine-----\n" + BLOCK,
        "----- Mail original -----\n" + BLOCK,
        "-------- Message original --------\n" + BLOCK,
        "-----Original Message-----\nFrom: Paul\nSent: Thursday, March 12, 2026 10:15\nTo: M\nSubject: INR\n\nWell?",
        "-----Original Message-----\nFrom: Paul\nSent: March-12-26 3:05 PM\nTo: M\nSubject: INR\n\nWell?",
        "-----Original Message-----\nBonjour Marie,\n\nAlors ?",
        "Subject: RE: INR\nDate: Thu, 12 Mar 2026 10:15:42 +0100\nFrom: paul@x.example\nTo: marie@y.example\n\nAlors ?",
        "Date: Thu, 12 Mar 2026 10:15:42 +0100\nFrom: paul@x.example\nSubject: INR\nTo: marie@y.example\n\nAlors ?",
        "Objet : INR\nDate : jeudi 12 mars 2026 10:15\nDe : paul@x.example\nÀ : marie@y.example\n\nAlors ?",
        "Am 12.03.2026 um 10:15 schrieb Paul Durand <paul@x.example>:\n\n> Und?",
        "Op do 12 mrt. 2026 om 10:15 schreef Paul Durand <paul@x.example>:\n\n> En?",
        "El jue, 12 mar 2026 a las 10:15, Paul Durand (<paul@x.example>) escribió:\n\n> ¿Y?",
        "Em qui., 12 de mar. de 2026 às 10:15, Paul Durand <paul@x.example> escreveu:\n\n> E?",
        "Il giorno gio 12 mar 2026 alle ore 10:15 Paul Durand <paul@x.example>\nha scritto:\n\n> Allora?",
        "Von: Paul <paul@x.example>\nGesendet: Donnerstag, 12. März 2026 10:15\nAn: Marie\nBetreff: INR\n\nUnd?",
        "Da: Paul <paul@x.example>\nInviato: giovedì 12 marzo 2026 10:15\nA: Marie\nOggetto: INR\n\nAllora?",
        "De : DURAND Paul\n\nEnvoyé : jeudi 12 mars 2026 10:15\n\nÀ : MARTIN Marie\n\nObjet : INR\n\nAlors ?",
    ],
)
def test_what_follows_a_marker_is_cut(marker: str) -> None:
    seen = visible(f"Vu.\n\n{marker}\n", None)
    assert (seen.text, seen.quoted, seen.sure) == ("Vu.", marker, True)


@pytest.mark.parametrize(
    "block",
    [
        "Objet : INR\nDate : jeudi 12 mars 2026 10:15\nDe : paul@x.example\nÀ : m@y.example\n\nArrêter la warfarine.",
        "Date : 12/03/2026 10:15\nDe : paul@x.example\nObjet : INR\nÀ : marie@y.example\n\nArrêter la warfarine.",
        "-----Message d'origine-----\n\nArrêter la warfarine.",
        "> Arrêter la warfarine.\n> INR 6,2.",
    ],
)
def test_what_a_first_mail_hands_on_without_a_word_for_it_stays(block: str) -> None:
    text = f"Voici la consigne.\n\n{block}"
    assert visible(text, None, answers=False).text == text


def test_a_block_that_the_html_shows_as_quoted_is_cut_in_an_answer_only() -> None:
    text = "Vu.\n\n> INR 6,2."
    html = "<p>Vu.</p><blockquote type='cite'><p>INR 6,2.</p></blockquote>"
    assert visible(text, html).text == "Vu."
    assert visible(text, html, answers=False).text == text
    assert visible("", html).text == "Vu."
    assert "INR 6,2." in visible("", html, answers=False).text


def test_ok_above_a_quotation_stays() -> None:
    assert shown(f"OK\n{SAID}\n> Visite ?") == "OK"


def test_an_answer_below_the_quotation_stays() -> None:
    seen = visible(f"Bonjour,\n\n{SAID}\n> Visite ?\n>\n> Paul\n\nOui.\n\nMarie", None)
    assert seen.text == "Bonjour,\n\nOui.\n\nMarie"


def test_inline_answers_keep_their_questions() -> None:
    text = f"{SAID}\n> Aspirine ?\nOui.\n> Coumadine ?\nNon."
    assert visible(text, None) == Visible(text, None, "", "", True)


def test_answers_said_to_be_below_are_kept() -> None:
    text = f"Mes réponses ci-dessous.\n\n{BLOCK}\nOui."
    assert visible(text, None) == Visible(text, None, "", "", False)


def test_a_quotation_alone_is_shown_whole() -> None:
    for text in (f"{SAID}\n> Alors ?", BLOCK):
        assert visible(text, None) == Visible(text, None, "", "", False)


def test_a_long_unannounced_quotation_is_not_sure() -> None:
    text = "Vu.\n\n> un\n> deux\n> trois\n> quatre"
    assert visible(text, None) == Visible(text, None, "", "", False)


def test_a_quotation_that_began_above_its_attribution_is_not_sure() -> None:
    text = "Vu.\n\n> hier\n> Le 12/03/2026 à 10:15, Paul <paul@x.example> a écrit :\n>> Alors ?"
    assert visible(text, None).text == text


@pytest.mark.parametrize(
    "text",
    [
        "Pour avis.\n\n---------- Forwarded message ---------\nDe : Paul <paul@x.example>\nDate: 12/03/2026\n\nAlors ?",
        "Début du message réexpédié :\n\n> De: Paul <paul@x.example>\n> Objet: INR\n\nMarie\n-- \nDr Marie Martin",
        "----- Mail transféré -----\n" + BLOCK,
        "-------- Message original --------\nObjet: INR\nDate: 2026-03-12 10:15\nDe: Paul <p@x.example>\n\nAlors ?",
    ],
)
def test_forwards_are_content(text: str) -> None:
    assert forwarded(text)
    assert visible(text, None) == Visible(text, None, "", "", True)


@pytest.mark.parametrize("subject", ["TR: INR", "Tr : INR", "FW: INR", "Fwd: RE: INR", "[EXT] TR: INR"])
def test_outlooks_forwards_are_told_by_the_subject(subject: str) -> None:
    text = f"Pour avis.\n\n{BLOCK}"
    assert forwarded("", subject)
    assert shown(text, None, subject) == text
    assert shown(text, None, "RE: TR: INR") == "Pour avis."


def test_a_quoted_forward_is_cut_with_the_quotation() -> None:
    text = f"Vu.\n\n{SAID}\n> ---------- Forwarded message ---------\n> De : Labo\n"
    assert not forwarded(text)
    assert shown(text) == "Vu."


def test_nothing_of_a_mail_is_in_a_repr() -> None:
    assert repr(visible(f"Secret\n\n{SAID}\n> Secret", "<p>Secret</p>")) == "Visible(sure=True)"
