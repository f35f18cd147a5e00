"""How long a sound is, and how loud it is along the way. Pure; the work belongs into a thread. MP4: see positions.

The loudness (MSC1767: some dozens of numbers from 0 to 1024) is known of WAV only: whatever is compressed had to be
decoded for it.
"""

from __future__ import annotations

import io
import struct
import sys
import wave
from array import array

from tinytag import TinyTag

MOST_BYTES = 16 * 1024 * 1024  # of a file that is looked at
POINTS = 100  # of a waveform
LOUDEST = 1024  # MSC1767
_NAMES = {
    "audio/ogg": "a.ogg", "audio/opus": "a.ogg", "application/ogg": "a.ogg", "audio/vorbis": "a.ogg",
    "audio/wav": "a.wav", "audio/x-wav": "a.wav", "audio/wave": "a.wav", "audio/vnd.wave": "a.wav",
    "audio/mpeg": "a.mp3", "audio/mp3": "a.mp3",
    "audio/flac": "a.flac",
}  # fmt: skip
_LONGEST = 7 * 24 * 3600 * 1000  # ms; what says more is torn
_WIDTHS = {1: "B", 2: "h", 4: "i"}


def readable(mime: str) -> bool:
    """Whether sounds of this type are looked at."""
    return mime in _NAMES


def duration_ms(data: bytes, mime: str) -> int | None:
    """None: it cannot be said."""
    if mime not in _NAMES:
        return None
    try:
        read = TinyTag.get(_NAMES[mime], file_obj=io.BytesIO(data), tags=False)
        long = round((read.duration or 0) * 1000)
    except Exception:  # its readers raise whatever they meet in a torn file
        return None
    return long if 0 < long <= _LONGEST else None


def waveform(data: bytes, mime: str) -> tuple[int, ...]:
    """The loudest moment of each hundredth, from 0 to 1024, of a WAV with 8, 16 or 32 bits; of others: none."""
    if _NAMES.get(mime) != "a.wav":
        return ()
    try:
        with wave.open(io.BytesIO(data)) as sound:
            width, channels, frames = sound.getsampwidth(), sound.getnchannels(), sound.getnframes()
            raw = sound.readframes(min(frames, len(data)))
    except (wave.Error, EOFError, RuntimeError, struct.error, ValueError, ZeroDivisionError, OverflowError):
        return ()
    return _peaks(raw, width, channels)


def _peaks(raw: bytes, width: int, channels: int) -> tuple[int, ...]:
    if width not in _WIDTHS:
        return ()
    samples = array(_WIDTHS[width], raw[: len(raw) // width * width])
    if sys.byteorder == "big":
        samples.byteswap()
    step = max(channels, -(-len(samples) // POINTS))
    middle, most = (128, 128) if width == 1 else (0, 1 << width * 8 - 1)
    parts = (samples[at : at + step] for at in range(0, len(samples), step))
    return tuple(max(max(part) - middle, middle - min(part)) * LOUDEST // most for part in parts)


def loudness(values: object) -> tuple[int, ...]:
    """A waveform that somebody else says (0 to 1024): at most a hundred whole numbers, () for what is none."""
    if not isinstance(values, list) or not values or len(values) > 100_000:
        return ()
    if not all(isinstance(v, int) and not isinstance(v, bool) for v in values):
        return ()
    step = -(-len(values) // POINTS)
    return tuple(max(0, min(LOUDEST, max(values[at : at + step]))) for at in range(0, len(values), step))
