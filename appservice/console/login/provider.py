"""The OpenID provider (OpenID Connect Core, Discovery, RP-Initiated Logout): where it is asked, and asking it."""

from __future__ import annotations

import hashlib
import json
import logging
import math
import ssl
import time
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote_plus, urlencode

import aiohttp
import jwt

from appservice.console.login.tokens import SigningKey
from appservice.console.settings import ConsoleSettings, is_secure
from bridge.errors import Refused, Unavailable

Json = dict[str, Any]
log = logging.getLogger(__name__)
_TIMEOUT = aiohttp.ClientTimeout(total=10)
_LARGEST = 512 * 1024  # bytes of any answer
_KEPT = 3600.0  # s that the provider's document and keys are believed
_AGAIN = 30.0  # s until its keys are read again for one that is not among them
_PAUSE = 5.0  # s after a failure in which nobody asks it again: whoever comes may come often
_SAY_AGAIN = 60.0  # s between two lines about it
_ENDS, _MORE_ENDS = (
    ("authorization_endpoint", "token_endpoint", "jwks_uri"),
    ("userinfo_endpoint", "end_session_endpoint"),
)
_WELL_KNOWN = "/.well-known/openid-configuration"


class OpenIdProvider:
    """Nothing is asked before somebody logs in. Calls raise Unavailable (login_provider)."""

    def __init__(self, settings: ConsoleSettings) -> None:
        self._settings = settings
        self._secret = settings.read_client_secret()
        ca = settings.ca_file
        self._tls: ssl.SSLContext | bool = True if ca is None else ssl.create_default_context(cafile=str(ca))
        self._document: tuple[float, Json] | None = None
        self._failed = self._said = -math.inf
        self._keys: tuple[float, dict[str, SigningKey]] | None = None

    # ---- where it is

    async def document(self) -> Json:
        """What it says of itself. Its issuer is the one that is configured, to the letter."""
        if self._document is None or time.monotonic() - self._document[0] > _KEPT:
            settings = self._settings
            found = await self._get(settings.discovery or settings.issuer.rstrip("/") + _WELL_KNOWN)
            if found.get("issuer") != settings.issuer or not all(isinstance(found.get(one), str) for one in _ENDS):
                raise self._fails(f"its discovery document is not of the issuer {settings.issuer}")
            for name in (*_ENDS, *_MORE_ENDS):  # codes, secrets and keys go there
                if isinstance(end := found.get(name), str) and not is_secure(end):
                    raise self._fails(f"the address of its {name} is not secure: https:// is needed")
            self._document = time.monotonic(), found
        return self._document[1]

    async def key(self, name: str) -> SigningKey:
        """The key of this name. Raises Refused (login_token): it has none."""
        for _ in range(2):
            if self._keys is not None and time.monotonic() - self._keys[0] < _KEPT and name in self._keys[1]:
                return self._keys[1][name]
            if self._keys is not None and time.monotonic() - self._keys[0] < _AGAIN:
                break
            self._keys = time.monotonic(), _read_keys(await self._get((await self.document())["jwks_uri"]))
        raise Refused("login_token", about="kid")

    async def address(self, state: str, nonce: str, verifier: str) -> str:
        """Where somebody is sent to log in (code flow, RFC 7636 with S256)."""
        settings, challenge = self._settings, hashlib.sha256(verifier.encode()).digest()
        asked = {
            "response_type": "code", "client_id": settings.client_id, "redirect_uri": self.back,
            "scope": " ".join(settings.scopes), "state": state, "nonce": nonce,
            "code_challenge": urlsafe_b64encode(challenge).rstrip(b"=").decode(), "code_challenge_method": "S256",
        }  # fmt: skip
        if settings.acr:
            asked["acr_values"] = " ".join(settings.acr)
        return _with((await self.document())["authorization_endpoint"], asked)

    @property
    def back(self) -> str:
        """Where the provider sends people back to."""
        return f"{self._settings.url}/login/back"

    async def end_address(self, token: str | None) -> str | None:
        """Where somebody is sent to log out there, too; None: the provider has no such place."""
        end = (await self.document()).get("end_session_endpoint")
        if not isinstance(end, str):
            return None
        asked = {"client_id": self._settings.client_id, "post_logout_redirect_uri": f"{self._settings.url}/login/out"}
        return _with(end, asked | ({"id_token_hint": token} if token else {}))

    # ---- asking it

    async def exchange(self, code: str, verifier: str) -> tuple[str, str]:
        """The identity token and the access token for a code. Raises Refused (login_code)."""
        asked = {
            "grant_type": "authorization_code", "code": code, "redirect_uri": self.back, "code_verifier": verifier,
        }  # fmt: skip
        headers = {"Accept": "application/json"}
        if self._settings.client_auth == "basic":  # RFC 6749, 2.3.1: both are form-encoded first
            pair = f"{quote_plus(self._settings.client_id)}:{quote_plus(self._secret)}"
            headers["Authorization"] = f"Basic {b64encode(pair.encode()).decode()}"
        else:
            asked |= {"client_id": self._settings.client_id, "client_secret": self._secret}
        status, said = await self._call("POST", (await self.document())["token_endpoint"], headers, asked)
        if status == 400:
            raise Refused("login_code")
        identity, access = said.get("id_token"), said.get("access_token", "")
        if status != 200 or not isinstance(identity, str) or not isinstance(access, str):
            raise Unavailable("login_provider")
        return identity, access

    async def more(self, access: str, subject: str) -> Json:
        """What the provider says about somebody beside the identity token. Raises Refused (login_token)."""
        end = (await self.document()).get("userinfo_endpoint")
        if not isinstance(end, str) or not access:
            return {}
        status, said = await self._call("GET", end, {"Authorization": f"Bearer {access}"})
        if status != 200:
            raise Unavailable("login_provider")
        if said.get("sub") != subject:  # OpenID Connect Core, 5.3.2
            raise Refused("login_token", about="userinfo")
        return said

    async def _get(self, url: str) -> Json:
        if time.monotonic() - self._failed < _PAUSE:
            raise Unavailable("login_provider")
        status, said = await self._call("GET", url, {"Accept": "application/json"})
        if status != 200:
            raise self._fails(f"it answers {status}")
        return said

    def _fails(self, how: str) -> Unavailable:
        """Note it, and say so now and then; gives what to raise."""
        now = self._failed = time.monotonic()
        if now - self._said >= _SAY_AGAIN:
            self._said = now
            log.error("ALARM console: the OpenID provider does not answer as it should, nobody can log in: %s", how)
        return Unavailable("login_provider")

    async def _call(
        self, method: str, url: str, headers: Mapping[str, str], form: Mapping[str, str] | None = None
    ) -> tuple[int, Json]:
        """Status, and the object that was answered."""
        try:
            async with (
                aiohttp.ClientSession(timeout=_TIMEOUT, cookie_jar=aiohttp.DummyCookieJar()) as session,
                session.request(
                    method, url, data=form, headers=headers, ssl=self._tls, allow_redirects=False
                ) as answer,
            ):
                body = await answer.content.read(_LARGEST)
                while len(body) < _LARGEST and (part := await answer.content.read(_LARGEST - len(body))):
                    body += part
                said = json.loads(body)
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
            raise self._fails(type(error).__name__) from None
        return answer.status, said if isinstance(said, dict) else {}


def _with(url: str, asked: Mapping[str, str]) -> str:
    return f"{url}{'&' if '?' in url else '?'}{urlencode(asked)}"


def _read_keys(said: Json) -> dict[str, SigningKey]:
    """The keys that sign, by their names; those of no known kind are left out, and none is a shared secret."""
    found: dict[str, SigningKey] = {}
    for one in said.get("keys", ()):
        if not isinstance(one, dict) or one.get("kty") not in ("RSA", "EC", "OKP") or one.get("use", "sig") != "sig":
            continue
        try:
            alg = one.get("alg")
            found[str(one.get("kid", ""))] = SigningKey(jwt.PyJWK(one).key, alg if isinstance(alg, str) else None)
        except jwt.PyJWTError:
            continue
    return found
