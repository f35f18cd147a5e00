"""Outlook's Thread-Index: 22 bytes that name a conversation and 5 more for each reply ([MS-OXOMSG] 2.2.1.3). Pure."""

from __future__ import annotations

import base64
import re

from bridge.networks.mail.mime.transfer import base64_bytes

HEAD = 22  # bytes
REPLY = 5
MOST_REPLIES = 400
_FILETIME_1970 = 116444736000000000  # 100 ns since 1601


def parse_thread_index(value: str) -> str | None:
    """The head as 44 hex digits: equal heads are one conversation; None if the value is no Thread-Index."""
    if not re.fullmatch(r"[A-Za-z0-9+/=\s]{28,3000}", value):
        return None
    raw = base64_bytes("".join(value.split()).encode())
    if len(raw) < HEAD or (len(raw) - HEAD) % REPLY or raw[:HEAD] == b"\0" * HEAD:
        return None
    return raw[:HEAD].hex()


def answers(value: str) -> bool:
    """Whether the mail is an answer in its conversation: a first mail has no block of a reply."""
    raw = base64_bytes(value[:3000].encode("ascii", "replace"))
    return parse_thread_index(value) is not None and len(raw) > HEAD


def compose_thread_index(head: str, replies: int = 0, at: int = 0) -> str:
    """The header's value for the ``replies``-th answer in the conversation ``head`` (hex), sent ``at`` (ms)."""
    raw = bytes.fromhex(head)[:HEAD]
    started = int.from_bytes(raw[:6], "big") << 16
    delta = max(0, _filetime(at) - started)
    # 31 bits of the difference: from bit 18, or from bit 23 (marked by the first bit) when it is longer than 1.7 years.
    step = (delta >> 18) if delta < 1 << 49 else (1 << 31) | ((delta >> 23) & 0x7FFFFFFF)
    tail = b"".join(
        (step & 0xFFFFFFFF).to_bytes(4, "big") + bytes([n & 0x0F]) for n in range(min(replies, MOST_REPLIES))
    )
    return base64.b64encode(raw + tail).decode()


def _filetime(at: int) -> int:
    return min(max(0, at) * 10_000 + _FILETIME_1970, (1 << 62) - 1)
