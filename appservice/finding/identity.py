"""What an identity server answers (identity service API): who has this mail address. It knows the directory, no more.

Addresses are hashed by the client with our pepper. Those of the red list are in no table: a look-up takes many
addresses at once and says which of them exist, so whoever guesses would read the list. They are reached by writing
the exact address to Liaison, one at a time. Nothing can be bound: who has which address is the directory's word.
"""

from __future__ import annotations

import secrets
from typing import Any

from aiohttp import web

from appservice.client.callers import Callers
from appservice.client.names import Names, server_of
from appservice.finding.allowance import Allowance
from appservice.finding.answers import MatrixError, answer, bearer, body, guarded, serve
from appservice.finding.finder import Finder
from appservice.finding.hashes import Hashes
from bridge.model import MAIL, Address
from bridge.parts.lru import Lru
from bridge.receiver import Questions
from bridge.words import sentence

Json = dict[str, Any]
_BASE = "/_matrix/identity"
_VERSIONS = ["v1.1", "v1.2", "v1.3", "v1.4", "v1.5", "v1.6", "v1.7", "v1.8", "v1.9", "v1.10", "v1.11"]
_SESSIONS = 20_000
_MOST = 20  # addresses of one look-up
_AT_ONCE, _PER_SECOND = 60, 1 / 60  # addresses of one user: a client looks up what is typed, not an address book
_REFUSED = (
    ("POST", "/v2/validate/{medium}/requestToken"),
    ("POST", "/v2/validate/{medium}/submitToken"),
    ("GET", "/v2/validate/{medium}/submitToken"),
    ("GET", "/v2/3pid/getValidated3pid"),
    ("POST", "/v2/3pid/bind"),
    ("POST", "/v2/3pid/unbind"),
    ("POST", "/v2/sign-ed25519"),
)


class IdentityServer:
    """The routes. Tokens of clients are in memory: after a restart a client gets itself another one."""

    def __init__(self, callers: Callers, finder: Finder, facts: Questions, names: Names, hashes: Hashes) -> None:
        self._callers = callers
        self._finder = finder
        self._facts = facts
        self._names = names
        self._hashes = hashes
        self._sessions: Lru[str, str] = Lru(_SESSIONS)
        self._allowed = Allowance(_PER_SECOND, _AT_ONCE)

    def routes(self, app: web.Application) -> None:
        """Add them to an application."""
        for method, path, handle in (
            ("GET", "/versions", self._versions),
            ("GET", "/v2", self._there),
            ("POST", "/v2/account/register", self._register),
            ("GET", "/v2/account", self._account),
            ("POST", "/v2/account/logout", self._logout),
            ("GET", "/v2/hash_details", self._details),
            ("POST", "/v2/lookup", self._lookup),
            ("POST", "/v2/store-invite", self._unknown),
            ("GET", "/v2/terms", self._terms),
            ("POST", "/v2/terms", self._there),
            *((method, path, self._bound) for method, path in _REFUSED),
        ):
            serve(app, method, _BASE + path, handle)
        app.router.add_route("*", _BASE + "{rest:/.*}", guarded(self._nothing))

    # -- who asks ------------------------------------------------------------------------------------------

    async def _register(self, request: web.Request) -> web.Response:
        """An OpenID token of our own homeserver (client-server API, "OpenID") becomes a token here."""
        said = await body(request)
        token, server = said.get("access_token"), said.get("matrix_server_name")
        if not isinstance(token, str) or server != self._names.server:
            raise MatrixError(403, "M_FORBIDDEN", f"only users of {self._names.server}")
        user = await self._callers.openid(token)
        if user is None or server_of(user) != self._names.server:
            raise MatrixError(401, "M_UNAUTHORIZED", "the homeserver does not know this token")
        ours = secrets.token_urlsafe(32)
        self._sessions.put(ours, user)
        return answer({"token": ours})

    def _user(self, request: web.Request) -> str:
        token = bearer(request) or request.query.get("access_token", "")
        if (user := self._sessions.get(token)) is None:
            raise MatrixError(401, "M_UNAUTHORIZED", "no such token: register again")
        return user

    async def _account(self, request: web.Request) -> web.Response:
        return answer({"user_id": self._user(request)})

    async def _logout(self, request: web.Request) -> web.Response:
        self._user(request)
        self._sessions.drop(bearer(request) or request.query.get("access_token", ""))
        return answer({})

    # -- what is asked -------------------------------------------------------------------------------------

    async def _details(self, request: web.Request) -> web.Response:
        self._user(request)
        return answer({"algorithms": ["sha256"], "lookup_pepper": (await self._hashes.now()).pepper})

    async def _lookup(self, request: web.Request) -> web.Response:
        user, said = self._user(request), await body(request)
        table, asked = await self._hashes.now(), said.get("addresses")
        if said.get("algorithm") != "sha256":
            raise MatrixError(400, "M_INVALID_PARAM", "addresses are looked up by sha256 alone")
        if said.get("pepper") != table.pepper:
            more = {"algorithm": "sha256", "lookup_pepper": table.pepper}
            raise MatrixError(400, "M_INVALID_PEPPER", "the pepper has changed", **more)
        if not isinstance(asked, list) or not all(isinstance(one, str) for one in asked):
            raise MatrixError(400, "M_INVALID_PARAM", "addresses is a list of hashes")
        if len(asked) > _MOST:
            raise MatrixError(400, "M_TOO_LARGE", f"at most {_MOST} addresses at once")
        for _ in asked:
            if wait := self._allowed.wait(user):
                soon = int(wait * 1000) + 1
                raise MatrixError(429, "M_LIMIT_EXCEEDED", sentence("searched_too_fast"), retry_after_ms=soon)
        found = {one: address for one in asked if (address := table.find(one)) is not None}
        users = {one: await self._who(address) for one, address in found.items()}
        return answer({"mappings": {one: user for one, user in users.items() if user is not None}})

    async def _who(self, address: str) -> str | None:
        """The Matrix user of whoever has this mailbox, ready to be written to."""
        person = await self._facts.who(Address(MAIL, address))
        return None if person is None else await self._finder.user(person)

    # -- what is not done ----------------------------------------------------------------------------------

    async def _unknown(self, request: web.Request) -> web.Response:
        """An invitation by mail of somebody who was not found: no mail is sent for it."""
        self._user(request)
        raise MatrixError(403, "M_FORBIDDEN", sentence("address_unlisted").format(voice=self._names.voice))

    async def _bound(self, request: web.Request) -> web.Response:
        raise MatrixError(403, "M_FORBIDDEN", sentence("address_not_bound"))

    async def _versions(self, request: web.Request) -> web.Response:
        return answer({"versions": _VERSIONS})

    async def _there(self, request: web.Request) -> web.Response:
        return answer({})

    async def _terms(self, request: web.Request) -> web.Response:
        return answer({"policies": {}})

    async def _nothing(self, request: web.Request) -> web.Response:
        raise MatrixError(404, "M_UNRECOGNIZED", "no such request")
