"""The first bytes say what a file is; whoever calls it otherwise is corrected."""

from __future__ import annotations

import io
import random
import zipfile

import pytest

from bridge.content.sniffing import UNKNOWN, true_name, true_type, type_of
from tests.content import make

EXE = b"MZ\x90\0" + bytes(60) + b"PE\0\0" + bytes(200)
CDA = b'<?xml version="1.0"?>\n<?xml-stylesheet href="a.xsl"?><ClinicalDocument xmlns="urn:hl7-org:v3"/>'
WORD = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
EXECUTABLE = "application/vnd.microsoft.portable-executable"


def packed(*names: str) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name in names:
            archive.writestr(name, "application/vnd.oasis.opendocument.text" if name == "mimetype" else "x")
    return out.getvalue()


def picture(kind: str) -> bytes:
    out = io.BytesIO()
    make.scene().save(out, kind)
    return out.getvalue()


TYPES: dict[str, tuple[bytes, ...]] = {
    "application/dicom": (bytes(128) + b"DICM" + bytes(20), b"II*\0" + bytes(124) + b"DICM"),  # also with a TIFF's head
    "application/pdf": (b"%PDF-1.7\n",),
    "application/rtf": (b"{\\rtf1",),
    "image/jpeg": (make.jpeg(),),
    "image/png": (make.png(),),
    "image/gif": (picture("GIF"),),
    "image/webp": (make.webp(),),
    "image/tiff": (picture("TIFF"),),
    "image/bmp": (picture("BMP"),),
    "image/heic": (make.heic(), make.box(b"ftyp", b"mif1", bytes(4), b"mif1heic") + bytes(9)),
    "image/avif": (make.box(b"ftyp", b"avif", bytes(4), b"avifmif1"),),
    "image/heif": (make.box(b"ftyp", b"mif1", bytes(4), b"mif1abcd"),),
    "image/svg+xml": (b"<svg xmlns='http://www.w3.org/2000/svg'/>", b"<?xml version='1.0'?>\n<!-- x --><svg/>"),
    "video/mp4": (make.film(), make.box(b"ftyp", b"mp42", bytes(4))),
    "video/3gpp": (make.box(b"ftyp", b"3gp4", bytes(4)),),
    "video/quicktime": (make.film(brand=b"qt  "),),
    "audio/mp4": (make.box(b"ftyp", b"M4A ", bytes(4), b"isom"),),
    "video/webm": (b"\x1a\x45\xdf\xa3\x9f\x42\x86\x81\x01webm",),
    "audio/ogg": (make.ogg(), make.page(b"\x01vorbis", 0, 0, 2)),
    "audio/mpeg": (b"ID3\x04\0\0\0\0\0\0", b"\xff\xfb\x90\x00" + bytes(100)),
    "audio/aac": (b"\xff\xf1\x50\x80\x00\x1f\xfc",),
    "audio/wav": (make.tone(0.01),),
    "audio/flac": (b"fLaC\0\0\0\x22",),
    "application/zip": (packed("a.txt"), packed("IHE_XDM/SUBSET01/METADATA.XML"), packed("[Content_Types].xml", "a")),
    WORD: (packed("[Content_Types].xml", "_rels/.rels", "word/document.xml"),),
    "application/vnd.oasis.opendocument.text": (packed("mimetype", "content.xml"),),
    "application/x-ole-storage": (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(500),),
    "application/xml": (CDA, b"\xef\xbb\xbf" + CDA, b'<ClinicalDocument xmlns="urn:hl7-org:v3">'),
    "text/html": (b"<!DOCTYPE html><html>", b" <html>", b"<!-- x --><HTML>"),
    "text/plain": ("Créatinine : 75 µmol/l".encode(), "à jeun".encode("latin-1"), "\ufeffà jeun".encode("utf-16-le")),
    EXECUTABLE: (EXE,),
    "application/x-executable": (b"\x7fELF\x02\x01\x01",),
    "text/x-shellscript": (b"#!/bin/sh\nrm -rf\n",),
}


@pytest.mark.parametrize("mime", TYPES)
def test_types(mime: str) -> None:
    for head in TYPES[mime]:
        assert type_of(head) == mime
        assert true_type(UNKNOWN, head) == mime
        assert true_type(mime, head) == mime


@pytest.mark.parametrize(
    "head", [b"", b"\0\1\2\3", bytes(4000), b"MZ", b"OggS", b"PK", b"\xff\xff\xff\xff", b"RIFF\0\0\0\0XXXX"]
)
def test_some_bytes_say_nothing(head: bytes) -> None:
    assert type_of(head) in (None, "text/plain")
    assert true_type("application/pdf", head) in (UNKNOWN, "text/plain")
    assert true_type("application/x-mri-of-our-own", head) == "application/x-mri-of-our-own"


@pytest.mark.parametrize(
    ("declared", "head", "true"),
    [
        ("application/pdf", EXE, EXECUTABLE),
        ("image/jpeg", make.png(), "image/png"),
        ("image/jpeg", b"%PDF-1.4", "application/pdf"),
        ("application/pdf", b"no pdf", "text/plain"),
        ("application/pdf", b"\r\n\x00scanner\n%PDF-1.4", "application/pdf"),
        ("application/pdf", EXE + b"%PDF-1.4", EXECUTABLE),
        ("application/dicom", b"\x08\0\0\0\4\0\0\0", "application/dicom"),
        ("application/pdf", b"<html>", "text/html"),
        ("application/octet-stream", TYPES["application/dicom"][0], "application/dicom"),
        ("image/dicom", TYPES["application/dicom"][0], "application/dicom"),
        ("text/xml", CDA, "text/xml"),
        ("application/hl7-cda+xml", CDA, "application/hl7-cda+xml"),
        ("text/xml; charset=utf-8", CDA, "text/xml"),
        ("text/csv", b"a;b\n1;2\n", "text/csv"),
        ("application/json", b'{"a": 1}', "application/json"),
        ("text/calendar", b"BEGIN:VCALENDAR", "text/calendar"),
        ("application/edi-hl7", b"MSH|^~\\&|", "application/edi-hl7"),
        ("audio/webm", TYPES["video/webm"][0], "audio/webm"),
        ("audio/mp4", make.film(), "audio/mp4"),
        ("audio/ogg", make.ogg(), "audio/ogg"),
        ("audio/opus", make.ogg(), "audio/opus"),
        ("application/msword", TYPES["application/x-ole-storage"][0], "application/msword"),
        (WORD, packed("docProps/app.xml", "[Content_Types].xml"), WORD),
        ("application/vnd.ms-excel", EXE, EXECUTABLE),
        ("IMAGE/PNG", make.png(), "image/png"),
        ("", b"\0\1\2", UNKNOWN),
        ("application/x-executable", b"\0\1\2", UNKNOWN),
    ],
)  # fmt: skip
def test_a_declared_type_is_believed_or_corrected(declared: str, head: bytes, true: str) -> None:
    assert true_type(declared, head) == true


@pytest.mark.parametrize(
    ("name", "mime", "shown"),
    [
        ("rapport.pdf", EXECUTABLE, "rapport.pdf.exe"),
        ("rapport", EXECUTABLE, "rapport.exe"),
        ("visionneuse.EXE", EXECUTABLE, "visionneuse.EXE"),
        ("pilote.dll", EXECUTABLE, "pilote.dll"),
        ("rapport.pdf", "text/x-shellscript", "rapport.pdf.sh"),
        ("configure", "text/x-shellscript", "configure"),
        ("outil.py", "text/x-shellscript", "outil.py"),
        ("rapport.pdf", "application/pdf", "rapport.pdf"),
        ("rapport.pdf", "image/png", "rapport.pdf"),
    ],
)
def test_a_program_is_named_as_one(name: str, mime: str, shown: str) -> None:
    assert true_name(name, mime) == shown


def test_any_bytes_have_an_answer() -> None:
    dice = random.Random(3)
    heads = [head for some in TYPES.values() for head in some]
    for _ in range(3000):
        head = bytearray(dice.choice(heads)[: dice.randrange(1, 600)])
        for _ in range(dice.randrange(4)):
            head[dice.randrange(len(head))] = dice.randrange(256)
        assert "/" in true_type("image/jpeg", bytes(head))
