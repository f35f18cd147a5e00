"""Which users of this server are faces of people elsewhere, and what their names alone tell of these. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

from liaison_policy.contact import Who

_ESCAPED = re.compile(rb"=([0-9a-f]{2})")


@dataclass(frozen=True, slots=True)
class Ghosts:
    """``@<prefix><RPPS>``, ``@<prefix>function_<name>``, ``@<mail_prefix><address>`` on ``server``."""

    server: str
    prefix: str = "rpps_"
    mail_prefix: str = "mss_"

    def has(self, user: str) -> bool:
        """Whether this user is a ghost, or the hub's voice."""
        localpart, _, server = user[1:].partition(":")
        return server == self.server and localpart.startswith((self.prefix, self.mail_prefix))

    def who(self, user: str) -> Who:
        """What a user id alone tells. The server of a ghost says nothing about the person: it is the hub's."""
        localpart, _, server = user[1:].partition(":")
        if not self.has(user):
            return Who(frozenset({user}), frozenset({server.lower()}))
        if localpart.startswith(f"{self.prefix}function_"):
            name = localpart.removeprefix(f"{self.prefix}function_")
            return Who(frozenset({user}), groups=frozenset({f"function:{name}", "kind:function"}))
        if localpart.startswith(self.prefix):
            return Who(frozenset({user}), groups=frozenset({"kind:professional"}))
        address = _unescaped(localpart.removeprefix(self.mail_prefix))
        domain = address.rpartition("@")[2].lower()
        return Who(frozenset({user}), frozenset({domain} if domain else ()), frozenset({"kind:mailbox"}))


def _unescaped(localpart: str) -> str:
    """See the specification, "Mapping from other character sets"."""
    try:
        return _ESCAPED.sub(lambda found: bytes.fromhex(found[1].decode()), localpart.encode()).decode()
    except UnicodeDecodeError:
        return ""
