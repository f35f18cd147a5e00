"""The text of RTF as Outlook packs it into winmail.dat: decompressed (MS-OXRTFCP), without its marks. Pure.

HTML that Outlook has wrapped in RTF (MS-OXRTFEX) loses its tags only: its words stand between them as in any RTF.
"""

from __future__ import annotations

import struct

from compressed_rtf import decompress  # type: ignore[import-untyped]
from striprtf.striprtf import rtf_to_text

MOST_PACKED = 1 << 20  # bytes
MOST = 8 << 20  # bytes of RTF
_HEAD = struct.Struct("<II4sI")  # size of what follows the first field, size of the RTF, how it is packed, checksum


def text(packed: bytes) -> str | None:
    """The words, line by line; None for what is damaged or too large. Never raises."""
    if len(packed) < _HEAD.size or len(packed) > MOST_PACKED:
        return None
    size, whole, kind, _ = _HEAD.unpack_from(packed)
    if whole > MOST or kind not in (b"LZFu", b"MELA"):
        return None
    try:
        rtf: bytes = decompress(packed[: size + 4])
        said: str = rtf_to_text(rtf[:MOST].decode("cp1252", "replace"), errors="replace")  # type: ignore[no-untyped-call]
        return said.replace("\0", "").strip()
    except Exception:  # both libraries raise whatever the bytes provoke; the caller tells of it, the original stays
        return None
