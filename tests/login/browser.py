"""A browser that follows a login step by step, without showing anything."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import aiohttp

from deploy.world.provider import IdentityProvider


class Refused(Exception):
    """The homeserver's page says why."""


@dataclass(frozen=True, slots=True)
class Sites:
    """Where a login leads: the homeserver, the client's page, the provider."""

    session: aiohttp.ClientSession
    homeserver: str
    app: str
    provider: IdentityProvider


class Browser:
    """Follows a login by hand, so that each step can be another's. Cookies are kept by site, as browsers do."""

    def __init__(self, sites: Sites) -> None:
        self._sites = sites
        self._jar: dict[str, dict[str, str]] = {}

    def copy(self) -> Browser:
        """One with the same cookies."""
        made = Browser(self._sites)
        made._jar = {site: dict(cookies) for site, cookies in self._jar.items()}
        return made

    async def get(self, url: str, data: Any = None) -> tuple[int, str, str]:
        """Status, where it leads, and the page."""
        site = "/".join(url.split("/")[:3])
        cookies = "; ".join(f"{name}={value}" for name, value in self._jar.get(site, {}).items())
        call = self._sites.session.get if data is None else self._sites.session.post
        async with call(
            url, allow_redirects=False, headers={"Cookie": cookies}, **({} if data is None else {"data": data})
        ) as got:
            for line in got.headers.getall("Set-Cookie", []):
                name, _, value = line.partition(";")[0].partition("=")
                self._jar.setdefault(site, {})[name] = value
            return got.status, got.headers.get("Location", ""), await got.text()

    async def begin(self, provider: str = "oidc-psc", back: str | None = None) -> str:
        """The address of the provider to which the homeserver sends."""
        url = f"{self._sites.homeserver}/_matrix/client/v3/login/sso/redirect/{provider}"
        status, where, page = await self.get(f"{url}?redirectUrl={back or self._sites.app}")
        assert status == 302, page
        return where

    async def present(self, at: str, who: str) -> str:
        """Somebody presents their card there; gives the way back, to the homeserver's callback."""
        root = f"http://127.0.0.1:{self._sites.provider.port}"
        _, where, page = await self.get(at)
        if "/interaction/" in where:
            where = where if where.startswith("http") else root + where
            _, where, page = await self.get(where, {"who": who})
            where = where if where.startswith("http") else root + where
            _, where, page = await self.get(where)
        if not where:
            raise Refused(page)
        return where

    async def end(self, callback: str) -> str:
        """The callback is opened; gives the address that the client is sent to. Raises Refused."""
        _, where, page = await self.get(callback)
        if not where:
            raise Refused(re.sub(r"\s+", " ", re.sub(r"(?s)<(style|script)\b.*?</\1>", "", page)))
        return where

    async def comes(self, who: str, provider: str = "oidc-psc") -> str:
        """The whole way; gives the login token. Raises Refused."""
        where = await self.end(await self.present(await self.begin(provider), who))
        return where.partition("loginToken=")[2]

    async def log_in(self, who: str, provider: str = "oidc-psc") -> dict[str, Any]:
        """The whole way and a session; gives what the homeserver answers. Raises Refused."""
        return await self.redeem(await self.comes(who, provider))

    async def leave(self) -> None:
        """Log out at the provider, which asks once more."""
        at = f"{self._sites.provider.issuer}/protocol/openid-connect/logout"
        _, _, page = await self.get(at)
        where, secret = (re.search(f'{name}="([^"]+)"', page) for name in ("action", 'name="xsrf" value'))
        assert where, page
        assert secret, page
        await self.get(where[1], {"xsrf": secret[1], "logout": "yes"})

    async def redeem(self, token: str) -> dict[str, Any]:
        """A login token becomes a session. Raises Refused."""
        body = {"type": "m.login.token", "token": token}
        async with self._sites.session.post(f"{self._sites.homeserver}/_matrix/client/v3/login", json=body) as answer:
            said: dict[str, Any] = await answer.json()
        if answer.status != 200:
            raise Refused(said["error"])
        return said
