"""The kinds of values on the wire of Connect, and the rules that hold for every body."""

from __future__ import annotations

import re
from base64 import b64decode
from datetime import datetime, timedelta
from typing import Annotated, Any

from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, PlainValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

from bridge.parts.moments import written

ID_PATTERN = r"^[!-~]{1,255}$"  # printable ASCII, no space: opaque, yet safe in logs, paths and databases
PRODUCT_PATTERN = r"^[a-z][a-z0-9_-]{0,31}$"
SEARCH_PATTERN = r"^[^\x00-\x1F\x7F]*$"
_HANDLE = r"^[a-z][a-z0-9_-]{0,31}:[!-~]{1,255}$"
_TEXT = r"^[^\x00-\x08\x0B\x0C\x0E-\x1F\x7F]*$"  # tab and line breaks are the only control characters
REACTION_PATTERN = r"^[^\x00-\x1F\x7F]*$"
MIME_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}/[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}$"  # RFC 6838, 4.2
_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - UTC, written as Z
_RFC3339 = re.compile(
    r"(19[7-9][0-9]|[2-9][0-9]{3})-(0[1-9]|1[0-2])-[0-3][0-9][Tt][0-2][0-9]:[0-5][0-9]:[0-5][0-9](\.[0-9]{1,9})?"
    r"([Zz]|[+-](0[0-9]|1[0-4]):[0-5][0-9])"
)


def _rfc3339(value: Any) -> Any:
    if not isinstance(value, str) or not _RFC3339.fullmatch(value):
        raise PydanticCustomError("rfc3339", "not a date and time of RFC 3339 with an offset")
    return value


def _base64(value: Any) -> bytes:
    if not isinstance(value, str):
        raise PydanticCustomError("base64", "must be a string of base64")
    try:
        content = b64decode(value, validate=True)
    except ValueError:
        raise PydanticCustomError("base64", "not base64") from None
    if not content:
        raise PydanticCustomError("string_too_short", "empty")
    if len(value) % 4 or len(content) != len(value) // 4 * 3 - value.count("=", -2):  # b64decode forgives some =
        raise PydanticCustomError("base64", "not base64")
    return content


def _content(pattern: str) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "contentEncoding": "base64", "pattern": pattern, "examples": ["JVBERi0="]})


_QUADS, _LAST = "(?:[A-Za-z0-9+/]{4})", "(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)"
Content = Annotated[bytes, PlainValidator(_base64), _content(f"^(?:{_QUADS}+{_LAST}?|{_LAST})$")]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Id = Annotated[str, Field(pattern=ID_PATTERN)]
Handle = Annotated[str, Field(pattern=_HANDLE, examples=["rpps:10001002027", "matrix:@ben:chu.example"])]
Text = Annotated[str, Field(pattern=_TEXT)]
Rpps = Annotated[str, Field(pattern=r"^[0-9]{11}$", examples=["10001002027"])]
Time = Annotated[
    AwareDatetime,
    Field(strict=False),
    BeforeValidator(_rfc3339),
    WithJsonSchema(
        {
            "type": "string",
            "format": "date-time",
            "pattern": f"^{_RFC3339.pattern}$",
            "examples": ["2026-03-01T08:00:00.000Z"],
        }
    ),
]


def time_text(at: int) -> str:
    """Milliseconds since 1970 as RFC 3339 in UTC."""
    return (_EPOCH + timedelta(milliseconds=written(at))).isoformat(timespec="milliseconds") + "Z"


class Wire(BaseModel):
    """What all have in common: unknown keys are errors, nothing is guessed from another type."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, hide_input_in_errors=True)
