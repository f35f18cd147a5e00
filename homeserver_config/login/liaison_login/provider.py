"""The mapping providers of Synapse (``oidc_providers[].user_mapping_provider``): which account a login opens.

Synapse calls ``get_extra_attributes`` at each login, and ``map_user_attributes`` only where there is no account yet
(``handlers/oidc.py``, ``handlers/sso.py``): so the first one judges.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from synapse.handlers.sso import MappingException
from synapse.types import map_username_to_mxid_localpart

from liaison_login.claims import Json, LoginRefused, national_id, proven
from liaison_login.directory import Directory, Entry, HubAway, State
from liaison_login.kept import Kept
from liaison_login.names import Localparts
from liaison_login.settings import Settings, parse
from liaison_login.words import say

log = logging.getLogger(__name__)
_CLOSED = {
    State.STRUCK_OFF: "struck_off", State.REVOKED: "account_revoked", State.UNKNOWN: "unknown_professional",
}  # fmt: skip


class Provider:
    """Pro Santé Connect: a login opens the account of the RPPS number that it proves, or none."""

    def __init__(self, config: Settings, api: Any) -> None:
        self._settings = config
        self._api = api
        self._directory = Directory(api.http_client, config)
        self._kept = Kept(api)

    @staticmethod
    def parse_config(config: Mapping[str, Any]) -> Settings:
        """See :func:`liaison_login.settings.parse`."""
        return parse(config)

    def get_remote_user_id(self, userinfo: Json) -> str:
        """The national identifier: ``sub`` has a part that is the provider's own and may change with its software."""
        try:
            return national_id(userinfo)
        except LoginRefused as refused:
            raise MappingException(say(refused.code)) from None

    async def get_extra_attributes(self, userinfo: Json, token: Json) -> dict[str, Any]:
        """Nothing, for somebody who may log in. Raises MappingException for everybody else."""
        await self._judged(userinfo, token)
        return {}

    async def map_user_attributes(self, userinfo: Json, token: Json, failures: int) -> dict[str, Any]:
        """The account of a professional who has none yet. Never another name than the one of the number."""
        rpps, entry = await self._judged(userinfo, token)
        localpart = self._settings.names.of(rpps)
        if failures:
            log.error("ALARM %s is there already and is nobody's who came by %s", localpart, self._settings.provider)
            self._tell("taken", rpps)
            raise MappingException(say("taken"))
        return {
            "localpart": localpart,
            "confirm_localpart": False,
            "display_name": entry.shown,
            "picture": None,
            "emails": [],  # an address is an attribute of the directory, never a proof
        }

    async def _judged(self, userinfo: Json, token: Json) -> tuple[str, Entry]:
        rpps = None
        try:
            rpps = proven(token, userinfo, self._settings.demands).rpps
            entry = await self._entry(rpps)
            if entry.state is not State.ACTIVE:
                raise LoginRefused(_CLOSED[entry.state])
        except LoginRefused as refused:
            log.warning("a login by %s is refused: %s", self._settings.provider, refused.code)
            self._tell(refused.code, rpps)
            raise MappingException(say(refused.code)) from None
        return rpps, entry

    def _tell(self, code: str, rpps: str | None) -> None:
        """The hub's audit trail hears of it, and nobody waits for that."""

        async def tell() -> None:
            try:
                await self._directory.refused(code, rpps)
            except HubAway as away:
                log.warning("the hub does not hear of a refusal: %s", away)

        self._api.run_as_background_process("liaison_login_refused", tell)

    async def _entry(self, rpps: str) -> Entry:
        """The directory's word; the last one while the hub is away, for a bounded time."""
        try:
            return await self._directory.entry(rpps)
        except HubAway as away:
            log.error("ALARM the hub does not say who is in the directory: %s", away)
        last = await self._kept.last(self._api.get_qualified_user_id(self._settings.names.of(rpps)))
        if last is None or last.at + self._settings.last_for * 1000 <= self._api.get_current_time_msec():
            raise LoginRefused("directory_away")
        return last.entry


@dataclass(frozen=True, slots=True)
class LocalSettings:
    """Of another provider: its accounts begin with ``prefix``; ``claim`` names them."""

    prefix: str
    claim: str
    names: Localparts


class LocalProvider:
    """A provider of the house (a Keycloak): its accounts have a prefix of their own and are never a professional's."""

    def __init__(self, config: LocalSettings) -> None:
        self._config = config

    @staticmethod
    def parse_config(config: Mapping[str, Any]) -> LocalSettings:
        """``prefix``, ``claim`` (preferred_username), ``professionals`` (ps_). Raises ValueError."""
        if unknown := set(config) - {"prefix", "claim", "professionals"}:
            raise ValueError(f"{', '.join(sorted(unknown))}: there is no such option")
        names = Localparts(config.get("professionals", "ps_"))
        prefix = config.get("prefix", "")
        if not prefix or names.reserved(f"{prefix}x"):
            raise ValueError("prefix: is missing, or is the one of professionals")
        return LocalSettings(prefix, config.get("claim", "preferred_username"), names)

    def get_remote_user_id(self, userinfo: Json) -> str:
        """Its ``sub``."""
        return str(userinfo["sub"])

    async def map_user_attributes(self, userinfo: Json, token: Json, failures: int) -> dict[str, Any]:
        """An account below the prefix, or none. Raises MappingException."""
        said = userinfo.get(self._config.claim)
        if not isinstance(said, str) or not said:
            raise MappingException(say("no_national_id"))
        localpart = self._config.prefix + map_username_to_mxid_localpart(said)
        if self._config.names.reserved(localpart) or self._config.names.reserved(said):
            log.error("ALARM another provider names somebody like a professional: refused")
            raise MappingException(say("reserved"))
        if failures:
            raise MappingException(say("taken"))
        name = userinfo.get("name")
        return {
            "localpart": localpart,
            "confirm_localpart": False,
            "display_name": name if isinstance(name, str) and name else said,
            "picture": None,
            "emails": [],
        }
