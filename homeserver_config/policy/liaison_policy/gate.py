"""Closes federation as a whole to servers that do not take part: the object that Synapse asks about each server.

Stock Synapse asks ``federation_domain_whitelist`` before each request of another server (the signature is checked only
afterwards), before each request to one, and for remote media: every invite, join, event, EDU, profile and key query. No
module callback sees EDUs, key queries and profile queries. The list in homeserver.yaml is read at start only, so its
place is taken here by one that answers from the signed list at each question.

That place is no part of Synapse's module API. It is touched in this file only, and what is expected of it is checked:
another shape ends the start in one line, for a gate that is believed to be closed is worse than none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any


class GateMissing(Exception):
    """This Synapse has no such place; the text says what was looked for."""


class Gate(dict[str, bool]):
    """As the whitelist in use: ``server in gate`` asks ``allows`` each time; ``names`` lists what can be listed."""

    def __init__(self, allows: Callable[[str], bool], names: Callable[[], Iterator[str]]) -> None:
        super().__init__()
        self._allows = allows
        self._names = names

    def __contains__(self, server: object) -> bool:
        return isinstance(server, str) and self._allows(server)

    def __iter__(self) -> Iterator[str]:
        return self._names()

    def __bool__(self) -> bool:
        return True


def close(api: Any, gate: Gate) -> None:
    """Put the gate where Synapse looks. Raises GateMissing.

    Modules are made before the listeners: whatever answers other servers is made later, and finds the gate.
    """
    config = getattr(getattr(getattr(api, "_hs", None), "config", None), "federation", None)
    if config is None or not hasattr(config, "federation_domain_whitelist"):
        raise GateMissing("federation_domain_whitelist")
    if not callable(getattr(config, "is_domain_allowed_according_to_federation_whitelist", None)):
        raise GateMissing("is_domain_allowed_according_to_federation_whitelist")
    config.federation_domain_whitelist = gate
    if config.is_domain_allowed_according_to_federation_whitelist("nobody.invalid"):
        raise GateMissing("the whitelist that it looks at")
