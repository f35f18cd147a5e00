"""What an event says of its file, both ways: measures, a small copy, a blur, a voice message's loudness."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from appservice.client.events import to_message
from appservice.client.file_events import said_of_file, to_file
from bridge.errors import Refused
from bridge.model import Body, Delivery, File, Kind, Person, Ref, StoredFile

OPENED = {"url": "mxc://a/1", "v": "v2"}
DELIVERY = Delivery("d", "matrix", "m", "c", None, Person("p", "P"), Kind.TEXT, Body(), (), 0, 0)
PHOTO = File(
    "plaie.jpg", "image/jpeg", StoredFile("h", 5000, "ab"), width=1200, height=1600,
    blurhash="L00000fQfQfQfQfQfQfQfQfQfQfQ",
    thumbnail=File("thumbnail.jpg", "image/jpeg", b"small", width=450, height=600),
)  # fmt: skip
VOICE = File("voix.ogg", "audio/ogg", b"OggS", duration_ms=2500, waveform=(0, 512, 1024), voice=True)


def content_of(file: File, small: dict[str, Any] | None = None) -> dict[str, Any]:
    return to_file(file, OPENED, DELIVERY, first=True, small=small)


def test_a_picture_has_its_measures_a_small_copy_and_a_blur() -> None:
    content = content_of(PHOTO, {"url": "mxc://a/2"})
    assert content["msgtype"] == "m.image"
    assert content["info"] == {
        "mimetype": "image/jpeg", "size": 5000, "w": 1200, "h": 1600, "xyz.amorgan.blurhash": PHOTO.blurhash,
        "thumbnail_file": {"url": "mxc://a/2"},
        "thumbnail_info": {"mimetype": "image/jpeg", "size": 5, "w": 450, "h": 600},
    }  # fmt: skip
    back = said_of_file(content)
    assert back == {"width": 1200, "height": 1600, "blurhash": PHOTO.blurhash, "thumbnail": None}
    assert "thumbnail_file" not in content_of(PHOTO)["info"]
    assert content_of(replace(PHOTO, width=None, height=None, blurhash=None))["info"] == {
        "mimetype": "image/jpeg", "size": 5000,
    }  # fmt: skip


def test_a_voice_message_is_one_on_both_sides() -> None:
    content = content_of(VOICE)
    assert content["msgtype"] == "m.audio"
    assert content["org.matrix.msc3245.voice"] == {}
    assert content["org.matrix.msc1767.audio"] == {"duration": 2500, "waveform": [0, 512, 1024]}
    assert content["info"]["duration"] == 2500
    back = said_of_file(content)
    assert back == {"duration_ms": 2500, "waveform": (0, 512, 1024), "voice": True, "thumbnail": None}
    plain = content_of(replace(VOICE, voice=False, waveform=(), duration_ms=None))
    assert not any(name.startswith("org.matrix") for name in plain)


@pytest.mark.parametrize(
    "odd",
    [
        {}, {"info": "x"}, {"info": {"w": "800", "h": -1, "duration": 1.5, "xyz.amorgan.blurhash": "<script>"}},
        {"info": {"w": True, "h": 10**9}}, {"org.matrix.msc1767.audio": {"waveform": "loud", "duration": 10**15}},
        {"org.matrix.msc1767.audio": [1]}, {"info": {"xyz.amorgan.blurhash": "L" * 500}},
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_left_out(odd: dict[str, Any]) -> None:
    assert said_of_file(odd) == {"thumbnail": None}


def test_an_event_says_it_to_the_hub() -> None:
    opened = {
        "v": "v2", "url": "mxc://a.example/1", "iv": "A" * 22, "hashes": {"sha256": "A" * 43},
        "key": {"kty": "oct", "alg": "A256CTR", "k": "A" * 43},
    }  # fmt: skip
    said = to_message("m.room.message", content_of(VOICE) | {"file": opened})
    assert said.file is not None
    assert said.file.said["waveform"] == (0, 512, 1024)


def test_an_edited_caption_is_an_edit_of_the_text() -> None:
    relation = {"m.relates_to": {"rel_type": "m.replace", "event_id": "$photo"}}
    new = {"msgtype": "m.image", "filename": "plaie.jpg", "body": "La plaie du bras"}
    said = to_message("m.room.message", {"msgtype": "m.image", "body": "* x", "m.new_content": new} | relation)
    assert (said.kind, said.body.text, said.reply_to) == (Kind.EDIT, "La plaie du bras", Ref("matrix", "$photo"))
    assert said.file is None
    for odd in ({"body": "plaie.jpg"}, {"filename": None}, {"body": " "}):
        with pytest.raises(Refused, match="edit_not_carried"):
            to_message("m.room.message", {"m.new_content": new | odd} | {"msgtype": "m.image"} | relation)
