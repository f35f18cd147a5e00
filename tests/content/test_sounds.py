"""How long a sound is, and how loud it is along the way."""

from __future__ import annotations

import random

import pytest

from bridge.content.sounds import duration_ms, loudness, waveform
from tests.content import make

MP3 = b"\xff\xfb\x90\x00" + bytes(413)  # a frame of 128 kbit/s and 44.1 kHz: 26 ms


@pytest.mark.parametrize(
    ("data", "mime", "long"),
    [
        (make.tone(1.25), "audio/wav", 1250),
        (make.tone(0.5, channels=2, width=1), "audio/x-wav", 500),
        (make.ogg(2.5), "audio/ogg", 2500),
        (MP3 * 200, "audio/mpeg", 5225),
        (b"", "audio/ogg", None),
        (b"nothing", "audio/wav", None),
        (make.ogg(10_000_000), "audio/ogg", None),
        (make.tone(1), "application/pdf", None),
    ],
)
def test_how_long(data: bytes, mime: str, long: int | None) -> None:
    assert duration_ms(data, mime) == (pytest.approx(long, rel=0.01) if long is not None else None)


@pytest.mark.parametrize("width", [1, 2, 4])
@pytest.mark.parametrize("channels", [1, 2])
def test_how_loud(width: int, channels: int) -> None:
    wave = waveform(make.tone(1.0, width=width, channels=channels), "audio/wav")
    assert 95 <= len(wave) <= 100
    assert wave[0] < 100
    assert 900 < wave[-1] <= 1024
    assert sorted(wave[::10]) == list(wave[::10])


def test_of_what_is_compressed_nothing_is_known() -> None:
    assert waveform(make.ogg(), "audio/ogg") == ()
    assert waveform(make.tone(1, width=3), "audio/wav") == ()
    assert waveform(b"RIFF", "audio/wav") == ()


def test_what_others_say_is_bounded() -> None:
    assert loudness([0, 512, 5000, -3]) == (0, 512, 1024, 0)
    assert len(loudness(list(range(1000)))) == 100
    for odd in (None, "1024", [], [1, "2"], [True], [1.5], list(range(200_000)), {"a": 1}):
        assert loudness(odd) == ()


def test_torn_and_mangled_sounds() -> None:
    dice = random.Random(9)
    for data, mime in (
        (make.tone(0.2), "audio/wav"),
        (make.ogg(), "audio/ogg"),
        (MP3 * 9, "audio/mpeg"),
    ):
        for _ in range(60):
            torn = bytearray(data[: dice.randrange(1, len(data))])
            for _ in range(dice.randrange(8)):
                torn[dice.randrange(len(torn))] = dice.choice((0, 255, dice.randrange(256)))
            duration_ms(bytes(torn), mime)  # neither an exception nor a loop without end
            assert all(0 <= v <= 1024 for v in waveform(bytes(torn), mime))
