"""What a product brings beside its word: an assertion that it has signed, or an identity token of Pro Santé Connect."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jwt
import orjson

from bridge.errors import Refused, said
from bridge.signatures import BadSignature, PublicKey, verified
from bridge.vouching import Proof

log = logging.getLogger(__name__)
TYPE = "liaison-user+jws"
AUDIENCE = "liaison"
_LONGEST = 600  # s for which an assertion is good
_SKEW = 60  # s between two clocks
_ACR = ("eidas1", "eidas2", "eidas3")


class KeyFile:
    """The provider's keys in a file that the operator keeps new: read again for a key that is not in it yet."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._keys = read_jwks(path.read_bytes())

    def __getitem__(self, name: str) -> Any:
        """Raises KeyError."""
        if name not in self._keys:
            try:
                self._keys = read_jwks(self._path.read_bytes())
            except (OSError, ValueError) as error:
                log.error("ALARM the keys of Pro Santé Connect in %s cannot be read: %s", self._path, said(error))
        return self._keys[name]


@dataclass(frozen=True, slots=True)
class NationalLogin:
    """Whose identity tokens count. ``acr``: the weakest login that does."""

    issuer: str
    audience: str
    keys: KeyFile
    acr: str


@dataclass(frozen=True, slots=True)
class Proofs:
    """Of one product. ``clock``: s since 1970."""

    product: str
    keys: Sequence[PublicKey]
    national: NationalLogin | None
    clock: Callable[[], float]

    def judge(self, given: tuple[str, str] | None, user: str, rpps: str) -> Proof:
        """How strongly a user of the product is proven to be this professional. Raises Refused (proof_refused)."""
        if given is None:
            return Proof.WORD
        kind, token = given
        if kind == "assertion":
            self._assertion(token, user, rpps)
            return Proof.SIGNED
        self._identity(token, rpps)
        return Proof.NATIONAL

    def _assertion(self, token: str, user: str, rpps: str) -> None:
        try:
            claims = orjson.loads(verified(token.encode(), self.keys, TYPE))
        except (BadSignature, ValueError, UnicodeError):
            raise _refused("signature") from None
        if not isinstance(claims, dict):
            raise _refused("claims")
        for name, wanted in (("iss", self.product), ("aud", AUDIENCE), ("sub", user), ("rpps", rpps)):
            if claims.get(name) != wanted:
                raise _refused(name)
        begun, ends, now = claims.get("iat"), claims.get("exp"), self.clock()
        if type(begun) is not int or type(ends) is not int or not 0 < ends - begun <= _LONGEST:
            raise _refused("exp")
        if not begun - _SKEW <= now < ends + _SKEW:
            raise _refused("exp")

    def _identity(self, token: str, rpps: str) -> None:
        """The token's signature is the provider's, so no nonce is needed to believe what it says of the person.

        A product that keeps a token for later gains nothing: it is good for minutes.
        """
        if self.national is None:
            raise _refused("kind")
        claims = self._claims(token, self.national)
        if claims.get("azp", self.national.audience) != self.national.audience:
            raise _refused("azp")
        acr = claims.get("acr", "")
        if acr not in _ACR or _ACR.index(acr) < _ACR.index(self.national.acr):
            raise _refused("acr")
        if _number(claims) != rpps:
            raise _refused("rpps")

    def _claims(self, token: str, national: NationalLogin) -> Mapping[str, Any]:
        try:
            key = national.keys[str(jwt.get_unverified_header(token).get("kid"))]
            wanted = {"require": ["exp", "iat", "iss", "aud", "sub"]}
            return jwt.decode(  # its own clock: that of the machine
                token, key, algorithms=["RS256"], audience=national.audience, issuer=national.issuer, leeway=_SKEW,
                options=wanted,  # type: ignore[arg-type]
            )  # fmt: skip
        except KeyError:
            raise _refused("signature") from None
        except jwt.PyJWTError:
            raise _refused("token") from None


def _number(claims: Mapping[str, Any]) -> str | None:
    """The RPPS number of an identity token: ``preferred_username`` is 8 and 11 digits (ANS, Pro Santé Connect)."""
    ident = claims.get("SubjectNameID", claims.get("preferred_username"))
    found = re.fullmatch(r"8([0-9]{11})", ident) if isinstance(ident, str) and ident.isascii() else None
    both = claims.get("SubjectNameID", ident) == claims.get("preferred_username", ident)
    return found[1] if found is not None and both else None


def read_jwks(text: bytes) -> Mapping[str, Any]:
    """The RSA keys of a provider by their id (RFC 7517). Raises ValueError."""
    try:
        found = jwt.PyJWKSet.from_dict(dict(orjson.loads(text)))
    except (jwt.PyJWTError, ValueError, TypeError) as error:
        raise ValueError("no set of keys (RFC 7517)") from error
    return {str(one.key_id): one.key for one in found.keys if one.key_type == "RSA" and one.key_id}


def _refused(claim: str) -> Refused:
    return Refused("proof_refused", "proof", about=claim)
