"""A simulator of Pro Santé Connect and of a hospital's own identity provider: `js/provider.mjs` in a Node process.

It is not the software of the ANS: it is the certified `oidc-provider` with the claim shapes, the paths and the unusual
name of the discovery document of the real one.
"""

import asyncio
import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import aiohttp

from deploy.world import process
from deploy.world.client import SCRIPT, node
from deploy.world.ports import free_port
from deploy.world.state_directory import StateDirectory
from deploy.world.waiting import PATIENCE

Json = dict[str, Any]
CLIENT, SECRET = "liaison-chu", "simulated secret"
CONSOLE = "liaison-console"
_PATHS = "/protocol/openid-connect"
_OID = "1.2.250.1.213.1.1.5.5"


def professional(rpps: str, given: str, family: str, **more: Any) -> Json:
    """What the wallet says of somebody, as the scope `scope_all` gives it; `more` goes over it."""
    national = f"8{rpps}"
    practice = {
        "codeProfession": "10", "codeCategorieProfessionnelle": "C", "nomDexercice": family, "prenomDexercice": given,
        "codeTypeSavoirFaire": "S", "codeSavoirFaire": "SM54",
        "activities": [{"codeModeExercice": "L", "codeSecteurDactivite": "SA07", "codeGenreActivite": "GENR01",
                        "codeSectionPharmacien": "", "codeRole": "", "raisonSocialeSite": f"CABINET {family.upper()}"}],
    }  # fmt: skip
    said = {
        "sub": f"f:550e8400-e29b-41d4-a716-446655440000:{national}", "SubjectNameID": national,
        "preferred_username": national, "given_name": given, "family_name": family, "email_verified": False,
        "SubjectRole": [f"10^{_OID}"], "SubjectOrganization": f"CABINET {family.upper()}",
        "Secteur_Activite": "SA07^1.2.250.1.71.4.2.4", "UITVersion": "1.0",
        "Palier_Authentification": "APPPRIP3^1.2.250.1.213.1.5.1.1.1", "PSI_Locale": "1.2.250.1.213.1.3.1.1",
        "otherIds": [{"identifiant": national, "origine": "RPPS", "qualite": 1}],
        "SubjectRefPro": {"codeCivilite": "M", "exercices": [practice]},
    }  # fmt: skip
    return said | more


class IdentityProvider:
    """Both providers, on one port. `issuer` is Pro Santé Connect's, `local_issuer` the hospital's."""

    def __init__(self, people: Mapping[str, Json], locals_: Mapping[str, Json] = {}) -> None:
        self.port = free_port()
        self._people, self._locals = dict(people), dict(locals_)
        self._process: subprocess.Popen[bytes] | None = None
        self.issuer = f"http://127.0.0.1:{self.port}/auth/realms/esante-wallet"
        self.local_issuer = f"http://127.0.0.1:{self.port}/auth/realms/chu"

    async def start(self, homeserver: str, log: Path, console: str = "", ca: Path | None = None) -> Self:
        """Answer; `homeserver` is the address to which logins go back, and `console` that of an operator's console.

        `ca`: an authority (PEM) that the console's certificate is of.
        """
        base = f"{homeserver.rstrip('/')}/_synapse/client/oidc"
        clients = [{"client_id": CLIENT, "client_secret": SECRET, "redirect_uris": [f"{base}/callback"]}]
        told = {
            "port": self.port, "people": self._people, "locals": self._locals,
            "clients": clients + ([_console(console)] if console else []), "backchannel": f"{base}/backchannel_logout",
        }  # fmt: skip
        script = SCRIPT.parent / "provider.mjs"
        more = {} if ca is None else {"NODE_EXTRA_CA_CERTS": str(ca)}
        launch = process.Launch(log=log, pipes=True, cwd=SCRIPT.parent, env=more)
        self._process = process.spawn([node(), script, json.dumps(told)], launch)
        assert self._process.stdout
        async with asyncio.timeout(PATIENCE):
            said = await asyncio.to_thread(self._process.stdout.readline)
        if said != b"ready\n":
            raise RuntimeError(f"the identity provider did not start:\n{log.read_text()[-2000:]}")
        return self

    async def stop(self) -> None:
        """End it."""
        if self._process:
            await process.end(self._process)

    async def spoil(self, token: Json | None = None, userinfo: Json | None = None) -> None:
        """What is wrong with each answer from now on: `set`, `drop`; of a token also `alg`, `key` and `absent`."""
        change = {name: one for name, one in (("token", token), ("userinfo", userinfo)) if one is not None}
        url = f"http://127.0.0.1:{self.port}/_simulator/next"
        async with aiohttp.ClientSession() as session, session.post(url, json=change) as answer:
            assert answer.status == 200

    def settings(self, mapping: Mapping[str, Any], **more: Any) -> Json:
        """An entry of Synapse's `oidc_providers` for Pro Santé Connect; `mapping` is its user_mapping_provider."""
        return _entry(self.issuer, ["openid", "scope_all"], mapping) | {
            "idp_id": "psc", "idp_name": "Pro Santé Connect", "backchannel_logout_enabled": True,
            "backchannel_logout_ignore_sub": True, "additional_authorization_parameters": {"acr_values": "eidas1"},
        } | more  # fmt: skip

    def local_settings(self, mapping: Mapping[str, Any], **more: Any) -> Json:
        """The same for the hospital's own."""
        return _entry(self.local_issuer, ["openid", "profile"], mapping) | {"idp_id": "chu", "idp_name": "CHU"} | more


def _console(url: str) -> Json:
    """The console as the provider knows it: it is told when somebody logs out there."""
    return {
        "client_id": CONSOLE, "client_secret": SECRET, "redirect_uris": [f"{url}/login/back"],
        "post_logout_redirect_uris": [f"{url}/login/out"], "backchannel_logout_uri": f"{url}/login/ended",
        "backchannel_logout_session_required": True,
    }  # fmt: skip


def _entry(issuer: str, scopes: list[str], mapping: Mapping[str, Any]) -> Json:
    ends = {
        "authorization_endpoint": "auth", "token_endpoint": "token", "userinfo_endpoint": "userinfo",
        "jwks_uri": "certs",
    }  # fmt: skip
    return {
        "issuer": issuer, "discover": False, "skip_verification": True,  # its address is not https
        "client_id": CLIENT, "client_secret": SECRET, "scopes": scopes, "pkce_method": "always",
        "user_profile_method": "userinfo_endpoint", "user_mapping_provider": dict(mapping),
        **{name: f"{issuer}{_PATHS}/{path}" for name, path in ends.items()},
    }  # fmt: skip


WHO: dict[str, dict[str, Any]] = {
    "ines": {"sub": "u1", "preferred_username": "ines", "groups": ["liaison-act"]},
    "omar": {"sub": "u2", "preferred_username": "omar", "groups": ["liaison-see"]},
}
"""Ines may act, Omar may look."""


class Operator:
    """The operator's console of a demo world: its section, and the provider that it names, which has to be started."""

    def __init__(self, state: StateDirectory) -> None:
        self._state = state
        self._port = free_port()
        self._provider = IdentityProvider({}, WHO)
        self.url = f"http://127.0.0.1:{self._port}"

    def section(self) -> dict[str, Any]:
        """Of the configuration."""
        self._state.write("secrets/console", SECRET + "\n")
        return {
            "host": "127.0.0.1", "port": self._port, "public_url": self.url, "issuer": self._provider.local_issuer,
            "client_id": CONSOLE, "client_secret": f"file:{self._state / 'secrets/console'}",
            "see": ["liaison-see"], "act": ["liaison-act"],
        }  # fmt: skip

    async def start(self) -> None:
        """The provider answers."""
        await self._provider.start("http://127.0.0.1:1", self._state / "provider.log", self.url)

    async def stop(self) -> None:
        """It ends."""
        await self._provider.stop()
