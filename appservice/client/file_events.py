"""Pure: what an event says of its file besides how to open it: measures, a small copy, a blur, that it was spoken.

``info`` of the client-server API; MSC2448 (blurhash), MSC1767 and MSC3245 (voice messages) as clients send them.
"""

from __future__ import annotations

import re
from typing import Any

from appservice.client.attachments import safe_mime, safe_name
from appservice.client.relations import related
from bridge.content.sounds import loudness
from bridge.model import Delivery, File

Json = dict[str, Any]
BLURHASH = "xyz.amorgan.blurhash"
AUDIO = "org.matrix.msc1767.audio"
VOICE = "org.matrix.msc3245.voice"
_PICTURES = {"image/png", "image/jpeg", "image/gif", "image/webp"}
_BLUR = re.compile(r"[0-9A-Za-z#$%*+,\-.:;=?@\[\]^_{|}~]{6,128}")
_LARGEST = 1_000_000  # pixels of a side
_LONGEST = 7 * 24 * 3600 * 1000  # ms


def to_file(file: File, opened: Json, delivery: Delivery, *, first: bool, small: Json | None = None) -> Json:
    """The content that carries a file.

    ``opened`` is what :meth:`appservice.client.media.Media.upload` gave, ``small`` the same for its small copy. The
    first event of a message carries its reply; all of them are in its thread.
    """
    name, mime = safe_name(file.name), safe_mime(file.mime)
    kind = mime.partition("/")[0]
    msgtype = "m.image" if mime in _PICTURES else f"m.{kind}" if kind in ("audio", "video") else "m.file"
    content: Json = {"msgtype": msgtype, "body": name, "filename": name, "file": opened, "m.mentions": {}}
    content["info"] = to_info(file, mime, small)
    if kind == "audio":
        content |= _to_sound(file)
    if file.sticker and msgtype == "m.image":
        del content["msgtype"], content["filename"]  # an ``m.sticker``
    return content | related(delivery.reply_to if first else None, delivery.thread)


def to_info(file: File, mime: str, small: Json | None = None) -> Json:
    """The ``info`` of a file."""
    info: Json = {"mimetype": mime, "size": file.size}
    said = {"w": file.width, "h": file.height, "duration": file.duration_ms, BLURHASH: file.blurhash}
    info |= {name: value for name, value in said.items() if value}
    if small is not None and file.thumbnail is not None:
        info["thumbnail_file"] = small
        info["thumbnail_info"] = to_info(file.thumbnail, safe_mime(file.thumbnail.mime))
    return info


def _to_sound(file: File) -> Json:
    sound: Json = {}
    if file.duration_ms:
        sound["duration"] = file.duration_ms
    if file.waveform:
        sound["waveform"] = list(file.waveform)
    shown: Json = {AUDIO: sound} if sound else {}
    return shown | {VOICE: {}} if file.voice else shown


def said_of_file(content: Json) -> Json:
    """Fields of :class:`bridge.model.File` that the content of an event says; what makes no sense is left out.

    A small copy is not among them: nobody outside of Matrix is shown one, and the hub would have to look at it, too.
    """
    info, sound = _dict(content.get("info")), _dict(content.get(AUDIO))
    blur = info.get(BLURHASH) or content.get(BLURHASH)
    said = {
        "width": _number(info.get("w"), _LARGEST),
        "height": _number(info.get("h"), _LARGEST),
        "duration_ms": _number(sound.get("duration"), _LONGEST) or _number(info.get("duration"), _LONGEST),
        "waveform": loudness(sound.get("waveform")),
        "voice": VOICE in content,
        "blurhash": blur if isinstance(blur, str) and _BLUR.fullmatch(blur) else None,
    }
    return {name: value for name, value in said.items() if value} | {"thumbnail": None}


def _number(value: Any, most: int) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 < value <= most else None


def _dict(value: Any) -> Json:
    return value if isinstance(value, dict) else {}
