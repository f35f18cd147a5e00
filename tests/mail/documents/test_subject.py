"""Subjects, PDF names and X-MSS headers: read leniently, written strictly, hidden where they would show a patient."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.networks.mail.documents import patient, subject
from bridge.networks.mail.documents.card import file_name, line, mime_type
from tests.mail.documents import make


@pytest.mark.parametrize(
    ("text", "kind", "label", "birth"),
    [
        ("XDM/1.0/DDM+CR d'imagerie médicale CORSE FIGATELLIX", "CR d'imagerie médicale", "CORSE FIGATELLIX", ""),
        ("XDM/1.0/DDM+Lettre de liaison DE LA TOUR Marie Ange 01/02/1950", "Lettre de liaison", "DE LA TOUR Marie Ange",
         "1950-02-01"),
        ("XDM/1.0/DDM/Bilan MARTINEZ-LEROY Odile 14/07/1958", "Bilan", "MARTINEZ-LEROY Odile", "1958-07-14"),
        ("xdm/1.0/ddm + Bilan D'ARC Jeanne", "Bilan", "D'ARC Jeanne", ""),
        ("XDM/1.0/DDM+DUPONT Anna 31/12/1999", "", "DUPONT Anna", "1999-12-31"),
        ("XDM/1.0/DDM+DUPONT ANNA 31/12/1999", "", "DUPONT ANNA", "1999-12-31"),
    ],
)  # fmt: skip
def test_the_patient_of_a_subject(text: str, kind: str, label: str, birth: str) -> None:
    found = subject.parse(text)
    assert found is not None
    assert found.patient is not None
    assert (found.kind, found.patient.label, found.patient.birth) == (kind, label, birth)


@pytest.mark.parametrize(
    "text",
    [
        "XDM/1.0/DDM", "XDM/1.0/DDM+", "XDM/1.0/DDM+bilan sanguin", "XDM/1.0/DDM+COMPTE RENDU",
        "XDM/1.0/DDM+IRM cérébrale", "XDM/1.0/DDM+Résultat IRM", "XDM/1.0/DDM+LETTRE DE SORTIE",
    ],
)  # fmt: skip
def test_subjects_of_the_form_without_a_name(text: str) -> None:
    found = subject.parse(text)
    assert found is not None
    assert found.patient is None


@pytest.mark.parametrize("text", ["", "Bonjour", "XDM", "XDM/1.0/DDMX", "Voir XDM/1.0/DDM+x", "XDM/2.0/DDM"])
def test_other_subjects(text: str) -> None:
    assert subject.parse(text) is None
    assert subject.display(text) == text


@pytest.mark.parametrize(
    ("marks", "replaces"),
    [("Re: ", False), ("RE : TR: ", False), ("Fwd: Fw: ", False), ("[Annule et remplace] ", True), ("Re[2]: ", False),
     ("Réf: [ANNULE ET REMPLACE] ", True)],
)  # fmt: skip
def test_marks_are_kept_and_the_prefix_hidden(marks: str, replaces: bool) -> None:
    text = f"{marks}XDM/1.0/DDM+Bilan MARTINEZ-LEROY Odile 14/07/1958"
    found = subject.parse(text)
    assert found is not None
    assert found.replaces is replaces
    assert subject.display(text) == f"{marks}Bilan MARTINEZ-LEROY Odile 14/07/1958"


def test_display_of_the_bare_form() -> None:
    assert subject.display("XDM/1.0/DDM") == "Document médical"
    assert subject.display("Re: XDM/1.0/DDM") == "Re: Document médical"


def test_a_word_in_capitals_before_the_name_only_makes_it_unsure() -> None:
    found = subject.parse("XDM/1.0/DDM+Ordonnance IRM MARTINEZ-LEROY Odile 14/07/1958")
    assert found is not None
    assert found.patient is not None
    assert patient.same_patient(found.patient, make.ODILE) is None


def test_compose() -> None:
    composed = subject.compose("Bilan", "Martinez-Leroy", "Odile", "1958-07-14")
    assert composed == "XDM/1.0/DDM+Bilan MARTINEZ-LEROY Odile 14/07/1958"
    assert subject.compose("Bilan", "Roux", "Anna") == "XDM/1.0/DDM+Bilan ROUX Anna"
    assert subject.compose("") == "XDM/1.0/DDM"
    assert "Odile" not in repr(subject.parse(composed))


def test_what_is_composed_is_read_again() -> None:
    found = subject.parse(subject.compose("Lettre", "de la Tour", "Marie", "01/02/1950"))
    assert found is not None
    assert found.patient is not None
    assert (found.kind, found.patient.label, found.patient.birth) == ("Lettre", "DE LA TOUR Marie", "1950-02-01")


@settings(max_examples=300, derandomize=True, deadline=None)
@given(st.text(max_size=80), st.text(max_size=40), st.text(max_size=40), st.text(max_size=12))
def test_nothing_injects_a_header(kind: str, family: str, given_name: str, birth: str) -> None:
    composed = subject.compose(kind, family, given_name, birth)
    assert len(composed.splitlines()) == 1
    assert subject.parse(composed) is not None
    name = subject.pdf_name(subject.PdfName("20260301", kind, family, given_name))
    assert len(name.splitlines()) == 1
    assert "/" not in name
    assert len(name) <= 120
    for header in subject.compose_mss(subject.Mss((kind, family), True, given_name + "\r\nBcc: x", True)):
        assert all(len(part.splitlines()) <= 1 for part in header)


@settings(max_examples=300, derandomize=True, deadline=None)
@given(st.text(max_size=200), st.sampled_from(["", "XDM/1.0/DDM+", "re: XDM/1.0/DDM/"]))
def test_any_subject_is_read(text: str, prefix: str) -> None:
    subject.parse(prefix + text)
    assert len(subject.display(prefix + text).splitlines()) <= 1


def test_a_subject_of_many_marks_is_read_in_good_time() -> None:
    assert subject.parse("Re: " * 100_000 + "x") is None
    assert subject.parse("re " * 100_000) is None


def test_closing() -> None:
    assert subject.closes("[FIN]")
    assert not subject.closes("Re: [FIN]")
    assert not subject.closes("[fin]")


# names of PDF attachments


def test_pdf_names() -> None:
    name = "20220531_CR d'imagerie médicale_CORSE_FIGATELLIX.pdf"
    found = subject.PdfName("20220531", "CR d'imagerie médicale", "CORSE", "FIGATELLIX")
    assert subject.pdf_name(found) == name
    assert "CORSE" not in repr(found)
    numbered = subject.PdfName("20220531", "Bilan", "ROUX", "Anna", "D-17")
    assert subject.pdf_name(numbered) == "20220531_Bilan_ROUX_Anna_D-17.pdf"


def test_pdf_names_hold_no_path() -> None:
    name = subject.pdf_name(subject.PdfName("20260301", "../CR", "a_b", "c:d\u202e"))
    assert name == "20260301_..-CR_A B_c-d.pdf"


# X-MSS headers


def test_mss_headers() -> None:
    mss = subject.Mss(("34112-3", "PRESC-BIO", "34112-3"), True, "DEV935997", True)
    headers = subject.compose_mss(mss)
    assert headers == (
        ("X-MSS-CODECDA", "34112-3,PRESC-BIO"), ("X-MSS-INS", "O"), ("X-MSS-NIL", "DEV935997"), ("X-MSS-MES", "FIN"),
    )  # fmt: skip
    assert subject.compose_mss(subject.Mss((), True, "X")) == (("X-MSS-NIL", "X"),)
    assert subject.compose_mss(subject.Mss(("a",), None, "")) == (("X-MSS-CODECDA", "a"), ("X-MSS-INS", "N"))


# names and lines


@pytest.mark.parametrize(
    ("name", "clean"),
    [
        ("../../etc/passwd", "passwd"), ("C:\\x\\y.pdf", "y.pdf"), ("a\r\nb.pdf", "ab.pdf"), ("...", "document"),
        ("", "document"), ("gpj\u202efdp.exe", "gpjfdp.exe"), ("a" * 200 + ".pdf", "a" * 116 + ".pdf"),
        ("a/", "document"),
        ('a:b*?"<>|.txt', "a_b______.txt"), (".htaccess", "htaccess"), ("x\0.pdf", "x.pdf"), ("x" * 300, "x" * 120),
    ],
)  # fmt: skip
def test_file_names(name: str, clean: str) -> None:
    assert file_name(name) == clean


@pytest.mark.parametrize(
    ("mime", "clean"),
    [("Text/XML; charset=utf-8", "text/xml"),
     ("x", "application/octet-stream"), ("a/b\r\nc: d", "application/octet-stream"),
     ("", "application/octet-stream"), ("application/vnd.ms-excel", "application/vnd.ms-excel")],
)  # fmt: skip
def test_mime_types(mime: str, clean: str) -> None:
    assert mime_type(mime) == clean


def test_lines() -> None:
    assert line(" a\r\n\tb\u200bc ") == "a b c"
    assert line("x" * 10, 5) == "xxxx…"
