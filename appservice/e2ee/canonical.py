"""Canonical JSON, the bytes that Matrix signs (specification, appendix "Canonical JSON")."""

from __future__ import annotations

from typing import Any

import orjson

_LIMIT = 2**53 - 1


def canonical(value: Any) -> bytes:
    """Keys sorted by code point, no spaces, UTF-8 as it is, integers of 53 bits; ValueError for anything else."""
    _check(value)
    try:
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    except orjson.JSONEncodeError as error:
        raise ValueError("not representable in canonical JSON") from error


def _check(value: Any) -> None:
    if value is None or isinstance(value, str | bool):
        return
    if isinstance(value, int):
        if not -_LIMIT <= value <= _LIMIT:
            raise ValueError("integer outside of canonical JSON")
    elif isinstance(value, dict):
        for key, item in value.items():
            if not isinstance(key, str):
                raise ValueError("canonical JSON has text keys only")
            _check(item)
    elif isinstance(value, list | tuple):
        for item in value:
            _check(item)
    else:
        raise ValueError(f"{type(value).__name__} is not part of canonical JSON")


def signable(value: dict[str, Any]) -> bytes:
    """What a signature covers: all but ``signatures`` and ``unsigned`` (appendix "Signing JSON")."""
    return canonical({key: item for key, item in value.items() if key not in ("signatures", "unsigned")})
