"""Text in a field that takes ASCII only, as encoded words (RFC 2047). Pure.

The words are those that ``email.header`` of Python writes; that one measures a line anew with each character.
"""

from __future__ import annotations

import base64
import string
from collections.abc import Iterator

_LINE = 75  # characters; no encoded word may be longer
_CHROME = len("=?utf-8?q??=")
_SAFE = frozenset("-!*+/ " + string.ascii_letters + string.digits)  # as they are, a space as "_"
_SAFE_BYTES = "".join(sorted(_SAFE)).encode("ascii")
_QUOTED = {byte: chr(byte) if chr(byte) in _SAFE else f"={byte:02X}" for byte in range(256)} | {ord(" "): "_"}


def encoded_words(text: str, name: str) -> str:
    """The value of the field ``name``, one word for each line that it will take, in the shorter of both encodings.

    Raises UnicodeEncodeError for half a character.
    """
    data = text.encode("utf-8")
    safe = len(data) - len(data.translate(None, _SAFE_BYTES))
    quoted = safe + 3 * (len(data) - safe) <= _in_base64(len(data))
    return " ".join(_word(piece, quoted) if piece else "" for piece in _pieces(text, len(name) + len(": "), quoted))


def _pieces(text: str, taken: int, quoted: bool) -> Iterator[str]:
    """No character is torn; on the first line there is less room, perhaps for nothing (then it is empty)."""
    room, start, length = _LINE - taken - _CHROME, 0, 0
    for place, character in enumerate(text):
        more = _cost(character, quoted)
        if (length + more if quoted else _in_base64(length + more)) > room and (place > start or not start):
            yield text[start:place]
            start, length, room = place, 0, _LINE - len(" ") - _CHROME
        length += more
    yield text[start:]


def _cost(character: str, quoted: bool) -> int:
    if quoted and character in _SAFE:
        return 1
    size = 1 if character.isascii() else len(character.encode("utf-8"))
    return 3 * size if quoted else size


def _in_base64(size: int) -> int:
    return (size + 2) // 3 * 4


def _word(piece: str, quoted: bool) -> str:
    data = piece.encode("utf-8")
    if quoted:
        return f"=?utf-8?q?{data.decode('latin-1').translate(_QUOTED)}?="
    return f"=?utf-8?b?{base64.b64encode(data).decode('ascii')}?="
