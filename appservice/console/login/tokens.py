"""What a token of the provider must be to count: its signature, for whom it is, how old, and by what right. Pure."""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import jwt

from appservice.console.settings import ConsoleSettings
from bridge.errors import Refused


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A public key of the provider. ``alg``: the only algorithm that it is for, if the provider says so."""

    key: Any
    alg: str | None = None


Key = Callable[[str], Awaitable[SigningKey]]
"""The provider's key of a name. Raises Refused (login_token)."""
Claims = Mapping[str, Any]

_SKEW = 60  # s between two clocks
LONGEST_LOGOUT = 600  # s for which the provider's word about an end counts
_BACKCHANNEL = "http://schemas.openid.net/event/backchannel-logout"


async def _signed(token: str, settings: ConsoleSettings, key: Key, required: list[str]) -> Claims:
    try:
        head = jwt.get_unverified_header(token)
        alg, found = head.get("alg"), await key(str(head.get("kid", "")))
        if alg not in settings.algorithms or found.alg not in (None, alg):
            raise _bad("alg")
        return jwt.decode(
            token, found.key, algorithms=[alg],
            audience=settings.client_id, issuer=settings.issuer, leeway=_SKEW,
            options={"require": required},
        )  # fmt: skip
    except (jwt.PyJWTError, TypeError) as error:  # TypeError: the key is of another kind than the algorithm
        raise _bad(type(error).__name__) from None


async def read_identity(token: str, settings: ConsoleSettings, key: Key, nonce: str) -> Claims:
    """An identity token (OpenID Connect Core, 3.1.3.7). Raises Refused (login_token, login_weak)."""
    claims = await _signed(token, settings, key, ["exp", "iat", "iss", "aud", "sub"])
    if not hmac.compare_digest(str(claims.get("nonce", "")).encode("utf-8", "replace"), nonce.encode()):
        raise _bad("nonce")
    several = isinstance(claims["aud"], list) and len(claims["aud"]) > 1
    if claims.get("azp", None if several else settings.client_id) != settings.client_id:
        raise _bad("azp")
    if not isinstance(claims["sub"], str) or not 0 < len(claims["sub"]) <= 255:
        raise _bad("sub")
    if settings.acr and claims.get("acr") not in settings.acr:
        raise Refused("login_weak")
    return claims


async def read_logout(token: str, settings: ConsoleSettings, key: Key, now: float) -> Claims:
    """A logout token (OpenID Connect Back-Channel Logout, 2.6). Raises Refused (login_token)."""
    claims = await _signed(token, settings, key, ["iat", "iss", "aud", "jti", "events"])
    events, begun = claims["events"], claims["iat"]
    if not isinstance(events, dict) or _BACKCHANNEL not in events or "nonce" in claims:
        raise _bad("events")
    if not isinstance(begun, int) or now - begun > LONGEST_LOGOUT:
        raise _bad("iat")
    if not all(isinstance(claims.get(name, ""), str) for name in ("sub", "sid", "jti")):
        raise _bad("sub")
    if not claims.get("sub") and not claims.get("sid"):
        raise _bad("sub")
    return claims


def role(claims: Claims, settings: ConsoleSettings) -> bool:
    """Whether somebody may act; else they may look. Raises Refused (login_role): neither."""
    found: Any = claims
    for name in settings.roles_claim.split("."):
        found = found.get(name) if isinstance(found, Mapping) else None
    values = {found} if isinstance(found, str) else {v for v in found if isinstance(v, str)} if _many(found) else set()
    if values & set(settings.act):
        return True
    if values & set(settings.see):
        return False
    raise Refused("login_role")


def _many(found: Any) -> bool:
    return isinstance(found, list | tuple)


def named(claims: Claims, settings: ConsoleSettings) -> str:
    """How the audit trail names somebody: one word of letters, digits and ``@._-``; else their number at the provider.

    The trail stands for addresses (``network:id``) by hashes: there is no colon in a name.
    """
    said = claims.get(settings.name_claim)
    text = said if isinstance(said, str) and said else str(claims["sub"])
    return "".join(c if c.isalnum() or c in "@._-" else "_" for c in text[:64])


def _bad(what: str) -> Refused:
    return Refused("login_token", about=what)
