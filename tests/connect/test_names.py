"""Files between the wire and the hub: names that are refused or cleaned, types, sizes, hashes."""

from __future__ import annotations

import hashlib
import json
import re
from base64 import b64decode, b64encode
from dataclasses import replace
from typing import Any

import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import ValidationError

from bridge.content.names import LONGEST_NAME, clean_name, good_name
from bridge.errors import Refused
from bridge.model import File
from bridge.networks.connect import wire
from bridge.networks.connect.files import from_file, room_for, to_files
from bridge.networks.connect.shelf import wire_files

LONG = "Compte rendu " * 30
GOOD = ["bilan.pdf", "Compte rendu – é (2).PDF", "👩🏽‍⚕️.png", ".profil", "a" * 255, "é" * 127, "تقرير.pdf", "a:b?.txt"]
CLEANED = [
    ("../../etc/passwd", "_.._etc_passwd"),
    ("C:\\Users\\a.pdf", "C:_Users_a.pdf"),
    ("a\r\nX-Header: b.pdf", "aX-Header: b.pdf"),
    ("a\x00.pdf\x7f", "a.pdf"),
    ("fdp\u202egpj.exe", "fdpgpj.exe"),
    ("a\u2028b\u0085c", "abc"),
    ("\ud800a.pdf", "a.pdf"),
    (" . ", "fichier"),
    ("..", "fichier"),
    ("", "fichier"),
    ("/", "_"),
    ("\x01\x02", "fichier"),
    ("a" * 300, "a" * 255),
    ("a" * 300 + ".pdf", "a" * 251 + ".pdf"),
    ("é" * 200 + ".pdf", "é" * 125 + ".pdf"),
    ("a." + "b" * 300, ("a." + "b" * 300)[:255]),
    ("." + "b" * 300, "b" * 255),
]


@pytest.mark.parametrize("name", GOOD)
def test_a_good_name_stays(name: str) -> None:
    assert good_name(name)
    assert clean_name(name) == name
    assert to_files([_sent(name=name)])[0].name == name


@pytest.mark.parametrize(("name", "cleaned"), CLEANED)
def test_another_name_is_cleaned_on_its_way_to_a_product(name: str, cleaned: str) -> None:
    assert not good_name(name.replace("\ud800", "\x00"))
    assert clean_name(name) == cleaned


@pytest.mark.parametrize("name", [name for name, _ in CLEANED if "\ud800" not in name])
def test_a_product_cannot_send_it(name: str) -> None:
    with pytest.raises((ValidationError, Refused)) as raised:
        to_files([_sent(name=name)])
    if isinstance(raised.value, Refused):
        assert (raised.value.code, raised.value.field) == ("bad_file_name", "files.0.name")
    assert name not in str(raised.value) or not name.strip(" ./")


@given(st.text(max_size=400))
@example(LONG + "é.pdf")
@example("x." + "é" * 200)
@example(" " * 300 + ".pdf")
@example("a" * 250 + "." * 20)
def test_what_is_cleaned_is_good(name: str) -> None:
    cleaned = clean_name(name)
    assert good_name(cleaned)
    assert clean_name(cleaned) == cleaned


def _sent(**more: Any) -> wire_files.NewFile:
    body = {"name": "bilan.pdf", "type": "application/pdf", "content": "JVBERi0="} | more
    return wire_files.NewFile.model_validate_json(json.dumps(body))


def test_the_content_is_the_bytes() -> None:
    [file] = to_files([_sent(type="Application/PDF")])
    assert file == File("bilan.pdf", "application/pdf", b"%PDF-")


def test_what_is_known_of_a_file_goes_both_ways() -> None:
    [file] = to_files([_sent(type="audio/ogg", voice=True, duration_ms=2500, waveform=[0, 1024])])
    assert (file.voice, file.duration_ms, file.waveform) == (True, 2500, (0, 1024))
    known = replace(file, width=1, height=2, blurhash="L0")
    view = wire_files.FileView.model_validate_json(orjson.dumps(from_file(known)))
    assert (view.voice, view.duration_ms, view.waveform) == (True, 2500, [0, 1024])
    assert (view.width, view.height, view.blurhash) == (1, 2, "L0")
    assert not {"width", "voice", "waveform"} & from_file(File("a", "a/b", b"")).keys()
    named = wire_files.UploadedFile.model_validate({"id": "f_1", "voice": True})
    uploaded = File("voix.ogg", "audio/ogg", b"OggS", duration_ms=7)
    assert to_files([named], {"f_1": uploaded}) == (replace(uploaded, voice=True),)
    with pytest.raises(ValidationError):
        _sent(waveform=[2000])


def test_a_hash_that_is_right_and_one_that_is_not() -> None:
    right = hashlib.sha256(b"%PDF-").hexdigest()
    assert to_files([_sent(sha256=right)])[0].data == b"%PDF-"
    with pytest.raises(Refused) as raised:
        to_files([_sent(), _sent(sha256=right[::-1])])
    assert (raised.value.code, raised.value.field) == ("wrong_sha256", "files.1.sha256")


@given(st.binary(min_size=1, max_size=200))
def test_bytes_survive_both_ways(data: bytes) -> None:
    out = json.loads(orjson.dumps(from_file(File("a", "a/b", data))))
    wire_files.FileView.model_validate_json(json.dumps(out))
    assert b64decode(out["content"], validate=True) == data
    assert (out["size"], out["sha256"]) == (len(data), hashlib.sha256(data).hexdigest())
    back = _sent(content=out["content"], sha256=out["sha256"], name=out["name"], type=out["type"])
    assert to_files([back])[0].data == data


@given(st.text(st.sampled_from("AQ=/+-_ é\n"), max_size=12))
@example("QUJD=")
@example("QUI=")
def test_only_base64_is_base64(text: str) -> None:
    schema = wire_files.NewFile.model_json_schema()["properties"]["content"]["pattern"]
    fits = re.search(schema.removesuffix("$") + r"\Z", text) is not None
    try:
        taken = _sent(content=text).content
    except ValidationError:
        assert not fits
    else:
        assert fits
        assert len(b64encode(taken)) == len(text)


@pytest.mark.parametrize("mime", ["", "pdf", "a/b; c=d", "a/b\r\nX: y", "a/é", "/", "a/" + "b" * 200])
def test_a_type_that_is_none_becomes_the_general_one(mime: str) -> None:
    assert from_file(File("a", mime, b""))["type"] == "application/octet-stream"


def test_a_type_is_lower_case() -> None:
    assert from_file(File("a", "Image/PNG", b""))["type"] == "image/png"


@given(st.integers(1, 10**9), st.integers(1, wire.MOST_FILES))
def test_there_is_room_for_what_is_allowed(most: int, files: int) -> None:
    base64 = (most + 2 * files) // 3 * 4 + 4 * files  # every file ends with padding of its own
    assert room_for(most) >= base64


def test_the_longest_name_is_the_one_of_the_document() -> None:
    assert wire_files.NewFile.model_json_schema()["properties"]["name"]["maxLength"] == LONGEST_NAME


def test_names_and_contents_are_in_no_repr() -> None:
    sent = _sent(name="Durand.pdf", content=b64encode(b"Durand").decode())
    whole = wire.NewMessage.model_validate_json(
        json.dumps(
            {
                "id": "1", "conversation": "c", "sender": "s", "text": "", "sent_at": "2026-03-01T08:00:00Z",
                "files": [{"name": "Durand.pdf", "type": "a/b", "content": b64encode(b"Durand").decode()}],
            }
        )
    )  # fmt: skip
    assert "Durand" not in repr(sent) + repr(whole) + repr(to_files([sent]))
