"""From JSON to the typed words of this client, for which unknown fields are no error. Pure."""

from __future__ import annotations

import base64
import binascii
import dataclasses
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from types import UnionType
from typing import Any, TypeVar, Union, cast, get_args, get_origin, get_type_hints

T = TypeVar("T")


def read(kind: type[T], data: Any) -> T:
    """An instance of a dataclass. Raises ValueError that names the field, never the value."""
    if not isinstance(data, Mapping):
        raise ValueError(f"{kind.__name__}: not an object")
    values = {}
    for name, hint, needed in _fields(cast(Any, kind)):
        if name in data:
            values[name] = _value(hint, data[name], name)
        elif needed:
            raise ValueError(f"{name}: is missing")
    return kind(**values)


@cache
def _fields(kind: Any) -> tuple[tuple[str, Any, bool], ...]:
    """Name, type and whether it must be there."""
    hints = get_type_hints(kind)
    missing = dataclasses.MISSING
    return tuple(
        (f.name, hints[f.name], f.default is missing and f.default_factory is missing)
        for f in dataclasses.fields(kind)
        if f.init
    )


def _value(hint: Any, value: Any, name: str) -> Any:
    origin = get_origin(hint)
    if origin in (Union, UnionType):
        if value is None:
            return None
        (hint,) = (one for one in get_args(hint) if one is not type(None))
        return _value(hint, value, name)
    if origin is tuple:
        if not isinstance(value, list):
            raise ValueError(f"{name}: not a list")
        return tuple(_value(get_args(hint)[0], one, f"{name}.{n}") for n, one in enumerate(value))
    if dataclasses.is_dataclass(hint):
        try:
            return read(hint if isinstance(hint, type) else type(hint), value)
        except ValueError as error:
            raise ValueError(f"{name}.{error}") from None
    return _simple(hint, value, name)


def _simple(hint: Any, value: Any, name: str) -> Any:
    if hint is Any:
        return value
    if hint is datetime:
        return to_time(value, name)
    if hint is bytes:
        return _content(value, name)
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, hint) or (hint is int and isinstance(value, bool)):
        raise ValueError(f"{name}: not a {hint.__name__}")
    return value


def _content(value: Any, name: str) -> bytes:
    try:
        return base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError, TypeError):
        raise ValueError(f"{name}: not base64") from None


def to_time(value: Any, name: str = "time") -> datetime:
    """RFC 3339. Raises ValueError."""
    try:
        at = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        raise ValueError(f"{name}: no time") from None
    if at.tzinfo is None:
        raise ValueError(f"{name}: a time without an offset")
    return at


def time_text(at: datetime) -> str:
    """As the hub wants it."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
