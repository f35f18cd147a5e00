"""Whether the workers of one hub are configured alike: pure. Each says a keyed hash of every section beside its row.

The hashes are made with keys that are derived of the seal's, so nobody learns anything from them who could not read
the database anyway. There is a set of them for each key of the seal: while keys change, workers have some in common.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping
from typing import Any

from bridge.seal import Seal

_PURPOSE = "workers agree"
_LENGTH = 16  # hexadecimal digits of a hash
_KEY = ""  # the name of the hash that proves the key itself


def said(sections: Mapping[str, Any], seal: Seal) -> str:
    """What a worker says of its sections (names to what can be written as JSON), as a text."""
    values = {_KEY: None, "seal": [seal.active, seal.names], **sections}
    texts = {name: json.dumps([name, value], sort_keys=True, default=str).encode() for name, value in values.items()}
    found = {}
    for name in seal.names:
        key = seal.derive(_PURPOSE, name)
        found[name] = {what: hmac.new(key, text, hashlib.sha256).hexdigest()[:_LENGTH] for what, text in texts.items()}
    return json.dumps(found, sort_keys=True)


def differences(mine: str, theirs: str) -> tuple[str, ...]:
    """The names of the sections in which two workers differ; none where one of them says nothing of itself.

    What another release says in another way is a difference of releases, and nothing more.
    """
    if not mine or not theirs:
        return ()
    try:
        return _differences(json.loads(mine), json.loads(theirs))
    except (ValueError, TypeError, AttributeError, KeyError):
        return ("release",)


def _differences(ours: Mapping[str, Mapping[str, str]], others: Mapping[str, Mapping[str, str]]) -> tuple[str, ...]:
    shared = sorted(ours.keys() & others.keys())
    alike = [name for name in shared if ours[name][_KEY] == others[name][_KEY]]
    if not alike:
        return tuple(f"seal.keys.{name}" for name in shared) or ("seal",)
    one, other = ours[alike[0]], others[alike[0]]
    found = {name for name in one.keys() | other.keys() if one.get(name) != other.get(name)}
    return tuple(sorted(found | {f"seal.keys.{name}" for name in shared if name not in alike}))
