"""Over all samples of documents and mails here: each value that is flagged has its mark on the card."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path

from lxml import etree

from bridge.model import File
from bridge.networks.mail.documents import read
from bridge.networks.mail.mime.mail import parse
from tests.mail.documents import make

MAIL = Path(__file__).parents[1]
NORMAL = {"", "N", "NEG", "S", "VS", "ND", "NR"}
MARKS = set("▲▼⚠")


def samples() -> Iterator[tuple[str, list[File], str]]:
    """Each document alone, each mail with its files: a name, the files, the text."""
    for path in sorted(MAIL.rglob("golden/**/*")):
        if path.suffix == ".eml":
            mail = parse(path.read_bytes())
            yield path.name, list(mail.files), mail.text
        elif path.is_file() and path.parent.name == "documents" and not path.name.endswith(".json"):
            yield path.name, [File(path.name, "application/octet-stream", path.read_bytes())], ""
        elif path.is_file() and path.parent.name == "cases":
            body = path.read_text("utf-8") if "body" in path.name else ""
            yield path.name, [] if body else [File(path.name, "application/octet-stream", path.read_bytes())], body


def flagged(data: bytes) -> Iterator[str]:
    """Each flagged value of a file, found without the code that is tested."""
    if zipfile.is_zipfile(io.BytesIO(data)):
        for entry in zipfile.ZipFile(io.BytesIO(data)).infolist():
            yield from flagged(zipfile.ZipFile(io.BytesIO(data)).read(entry))
    elif b"ClinicalDocument" in data[:200_000]:
        yield from _of_cda(data)
    else:
        text = data.decode("utf-16" if b"\0" in data[:20] else "latin-1", "ignore")
        for one in re.findall(r"(?m)^(?:RES|OBX)\|.*$", text.replace("\r", "\n")):
            cells = one.split("|") + [""] * 12
            flag, value = (cells[8], cells[4]) if one.startswith("RES") else (cells[8].partition("^")[0], cells[5])
            if flag not in NORMAL:
                yield value


def _of_cda(data: bytes) -> Iterator[str]:
    try:
        root = etree.fromstring(data, etree.XMLParser(resolve_entities=False, no_network=True))
    except etree.XMLSyntaxError:
        return
    for code in root.iter("{urn:hl7-org:v3}interpretationCode"):
        value = code.getparent().find("{urn:hl7-org:v3}value")  # type: ignore[union-attr]
        if (code.get("code") or "") not in NORMAL and value is not None:
            yield value.get("value") or value.get("displayName") or value.text or ""


def test_every_flagged_value_of_every_sample_has_its_mark() -> None:
    seen = 0
    for name, files, text in samples():
        cards = read(files, body=text).cards
        for data in [*(one.data for one in files), text.encode()]:
            for value in flagged(data):
                seen += 1
                marked = [
                    shown for one in cards for shown in one.text.split("\n") if value in shown and MARKS & set(shown)
                ]
                assert marked, f"{name}: a flagged value has no mark"
                assert any(
                    MARKS & set(cell) for one in cards for cell in re.split("<td>|<br>", one.html) if value in cell
                )
    assert seen >= 12, "the samples hold no flags any more"


def test_a_flag_without_its_mark_would_be_found() -> None:
    assert list(flagged((make.GOLDEN.parent / "cases" / "flag-HH-only-in-entry.xml").read_bytes())) == ["7.1"]
    assert list(flagged((make.GOLDEN / "labo_cp1252.hpr").read_bytes())) == ["10.2", "6,9"]
