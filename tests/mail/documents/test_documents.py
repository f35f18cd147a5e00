"""Whole mails: files of every kind as a room shows them, held by golden files; nothing ever crashes the reading.

The golden files are byte-exact and invented; ``GOLDEN=write`` makes them and their cards anew.
"""

from __future__ import annotations

import base64
import hashlib
import os
from collections.abc import Callable
from typing import Any

import nh3
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.errors import Refused
from bridge.model import File
from bridge.networks.mail import documents
from bridge.networks.mail.documents import ReadDocuments, cda, patient, read, words
from tests.mail.documents import make
from tests.mail.documents import test_hprim as hprims
from tests.mail.documents import test_invitation as calendars

LEVEL3 = make.cda(make.section(make.TABLE))
LEVEL1 = make.cda(
    '<nonXMLBody><text mediaType="application/pdf" representation="B64">'
    f"{base64.b64encode(make.PDF).decode()}</text></nonXMLBody>"
)
TWO = hprims.text((1, "NOIRMONT"), (2, "Léa"), (6, "02/02/1990")).removesuffix("****FINFICHIER****\r\n") + hprims.WHOLE

INPUTS: dict[str, Callable[[], bytes]] = {
    "cda_level3.xml": lambda: LEVEL3,
    "cda_level1.xml": lambda: LEVEL1,
    "labo_cp1252.hpr": lambda: hprims.WHOLE.encode("cp1252"),
    "labo_macroman.hpr": lambda: hprims.WHOLE.replace("\r\n", "\r").encode("mac_roman"),
    "labo_utf16.txt": lambda: hprims.WHOLE.encode("utf-16"),
    "deux_patients.hpm": lambda: TWO.encode("cp1252"),
    "IHE_XDM.ZIP": lambda: make.archive(make.entry(LEVEL3), make.entry(make.PDF, "application/pdf", "Bilan (PDF)")),
    "winmail.dat": lambda: make.tnef("Bonjour Zoé,\r\nci-joint.", ("cr.xml", LEVEL1), ("note n°2.txt", b"fin")),
    "invitation.ics": lambda: calendars.ics(),
    "bilan.apz": lambda: b"\x8a\x01not readable\xff",
}


def told(found: ReadDocuments) -> Any:
    return {
        "cards": [{"title": one.title, "text": one.text.split("\n"), "html": one.html} for one in found.cards],
        "files": [[one.name, one.mime, hashlib.sha256(one.data).hexdigest()] for one in found.files],
        "patients": sorted((make.plain(one) for one in found.patients), key=str),
        "problems": list(found.problems),
    }


def allowed(html: str) -> str:
    """What a cleaner leaves that knows tables and text only."""
    tags = {"p", "br", "strong", "em", "u", "table", "caption", "thead", "tbody", "tr", "th", "td", "ul", "ol", "li"}
    tags |= {"sup", "sub", "h4"}
    return nh3.clean(html, tags=tags, attributes={"td": {"colspan", "rowspan"}, "th": {"colspan", "rowspan"}})


@pytest.mark.parametrize("name", INPUTS)
def test_golden(name: str) -> None:
    path = make.GOLDEN / name
    if os.environ.get("GOLDEN") == "write":
        path.write_bytes(INPUTS[name]())
    found = read([File(name, "application/octet-stream", path.read_bytes())])
    make.golden(f"{name}.json", told(found))


# not what is packed: its bytes differ with the version of zlib
@pytest.mark.parametrize("name", [name for name in INPUTS if not name.endswith(".ZIP")])
def test_what_is_made_is_what_is_written_down(name: str) -> None:
    assert (make.GOLDEN / name).read_bytes() == INPUTS[name]()


@pytest.mark.parametrize("name", INPUTS)
def test_cards_hold_nothing_that_a_cleaner_takes_away(name: str) -> None:
    def bare(html: str) -> str:
        for written, plain in (("&#x27;", "'"), ("&quot;", '"'), ("\xa0", "&nbsp;"), ("&nbsp;", " ")):
            html = html.replace(written, plain)
        return html

    for card in read([File(name, "application/octet-stream", INPUTS[name]())]).cards:
        html = bare(card.html)
        assert bare(allowed(html)).replace("<tbody>", "").replace("</tbody>", "") == html.replace(
            "<tbody>", ""
        ).replace("</tbody>", "")


# a mail


def test_everything_of_one_mail_together() -> None:
    files = [
        File(name, "application/octet-stream", make()) for name, make in INPUTS.items() if name[:4] in ("cda_", "IHE_")
    ]
    found = read([*files, File("scan.pdf", "application/pdf", b"%PDF other")], "XDM/1.0/DDM+Bilan MARTINEZ-LEROY Odile")
    assert len(found.cards) == 3
    assert [one.name for one in found.files] == ["Bilan du 1er mars.pdf"]
    (only,) = (one for one in found.patients if one.ins)
    assert patient.same_patient(only, make.ODILE)
    assert not [problem for problem in found.problems if problem != "several_patients"]


def test_plain_files_are_left_alone() -> None:
    files = [
        File("a.pdf", "application/pdf", make.PDF),
        File("b.png", "image/png", b"\x89PNG", inline="c1"),
        File("c.txt", "text/plain", b"Bonjour"),
        File("d.xml", "text/xml", b"<a/>"),
        File("e.docx", "application/zip", make.zipped({"word/document.xml": b"x"})),
        File("", "", b""),
    ]
    assert read(files) == ReadDocuments()


def test_the_originals_are_untouched() -> None:
    files = [File(name, "application/octet-stream", make()) for name, make in INPUTS.items()]
    before = [hashlib.sha256(one.data).digest() for one in files]
    read(files)
    assert [hashlib.sha256(one.data).digest() for one in files] == before


def test_numbers_are_bounded() -> None:
    found = read([File("a.xml", "text/xml", LEVEL3)] * 100)
    assert len(found.cards) == documents.MOST_CARDS
    assert found.problems == ("too_many_documents",)
    streams = [
        File("winmail.dat", "", make.tnef("", *((f"{k}-{n}", b"%d-%d" % (k, n)) for n in range(99)))) for k in range(4)
    ]
    found = read(streams)
    assert len(found.files) == documents.MOST_FILES
    assert found.problems == ("too_many_documents",)


def test_bytes_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(documents, "MOST_BYTES", 1000)
    found = read([File("winmail.dat", "", make.tnef("", ("a", b"a" * 600), ("b", b"b" * 600), ("c", b"c")))])
    assert [one.name for one in found.files] == ["a", "c"]
    assert found.problems == ("too_many_documents",)


def test_a_fault_of_ours_is_a_problem_and_loses_nothing(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(data: bytes) -> cda.Cda:
        raise KeyError("Mme MARTINEZ")

    monkeypatch.setattr(cda, "parse", broken)
    found = read([File("a.xml", "text/xml", LEVEL3), File("i.ics", "text/calendar", calendars.ics())])
    assert found.problems == ("unreadable: cda",)
    assert len(found.cards) == 1
    assert "KeyError at" in caplog.text
    assert "MARTINEZ" not in caplog.text


def test_nothing_is_in_a_repr_or_a_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(0)
    for name, one in INPUTS.items():
        shown = repr(read([File(name, "text/plain", one())])) + caplog.text
        assert not any(word in shown for word in ("MARTINEZ", "Odile", "NOIRMONT", "Bilan", "Sodium", "1958", make.INS))


# words


def test_every_problem_has_words_of_its_own_kind() -> None:
    for code, (french, english) in words.WORDS.items():
        assert words.say(code) == (french, english)
        assert french.endswith(".")
        assert english.endswith(".")
    for code in ("zip_ratio", "hprim_no_end", "cda_no_body", "tnef_body", "xml_too_large", "unknown"):
        assert all(words.say(f"refused: {code}"))
    assert words.say("unreadable: cda")[0].startswith("Document illisible")


def test_damage_and_defence_are_told_apart() -> None:
    damaged = read([File("IHE_XDM.ZIP", "", b"PK\x03\x04")])
    hostile = read([File("IHE_XDM.ZIP", "", make.zipped({"../x": b""}))])
    assert damaged.problems == ("unreadable: zip_damaged",)
    assert hostile.problems == ("refused: zip_name",)
    with pytest.raises(Refused):
        documents.xdm.parse(b"")


@settings(max_examples=300, derandomize=True, deadline=None)
@given(st.sampled_from(sorted(INPUTS)), st.sampled_from(sorted(INPUTS)), st.binary(max_size=300), st.integers(0, 3000))
def test_any_bytes_under_any_name_never_crash(name: str, content: str, tail: bytes, cut: int) -> None:
    data = INPUTS[content]()
    found = read([File(name, "application/octet-stream", data[:cut] + tail + data[cut + len(tail) :])])
    assert not any(problem.removeprefix("unreadable: ") in KINDS for problem in found.problems)


KINDS = {"cda", "xdm", "tnef", "calendar", "hprim", "apicrypt", "subject"}
