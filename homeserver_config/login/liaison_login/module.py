"""The module of Synapse (``modules``): whose account opens by which login, and the end of who is struck off.

Loaded in every process, with the same configuration as the mapping provider.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from synapse.module_api import NOT_SPAM
from synapse.module_api.errors import Codes
from synapse.spam_checker_api import RegistrationBehaviour
from synapse.types import UserID

from liaison_login.directory import Directory, HubAway
from liaison_login.following import Change, Last, TooMany, changes, lost
from liaison_login.kept import Kept
from liaison_login.settings import Settings, parse
from liaison_login.words import say

log = logging.getLogger(__name__)


class _Discreet(logging.Filter):
    """Synapse writes whole answers of a provider at level DEBUG: they are personal data."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether a line is written."""
        return record.levelno > logging.DEBUG


class Login:
    """``config`` as :func:`liaison_login.settings.parse` gives it."""

    def __init__(self, config: Settings, api: Any) -> None:
        self._settings = config
        self._api = api
        self._names = config.names
        self._directory = Directory(api.http_client, config)
        self._kept = Kept(api)
        self._locked: set[str] = set()
        self._untold: set[str] = set()  # who has logged in while the hub was away
        for name in ("synapse.handlers.oidc", "synapse.handlers.sso"):
            logging.getLogger(name).addFilter(_Discreet())
        api.register_spam_checker_callbacks(
            check_registration_for_spam=self.may_register, check_login_for_spam=self.may_log_in
        )
        api.register_account_validity_callbacks(is_user_expired=self.is_locked, on_user_login=self.logged_in)
        api.register_third_party_rules_callbacks(
            on_profile_update=self.profile_changed, on_user_deactivation_status_changed=self.deactivated
        )
        every = max(config.refresh, 1) * 1000
        api.looping_background_call(self.refresh, every, desc="liaison_login_refresh")
        api.looping_background_call(self.look, every, desc="liaison_login_look", run_on_all_instances=True)
        api.delayed_background_call(0, self.look)
        if api.should_run_background_tasks():
            api.delayed_background_call(0, self.audit)

    @staticmethod
    def parse_config(config: Mapping[str, Any]) -> Settings:
        """See :func:`liaison_login.settings.parse`."""
        return parse(config)

    # ---- who may open an account

    async def may_register(
        self, threepid: Any, username: str | None, requests: Any, auth_provider_id: str | None = None
    ) -> Any:
        """A professional's account is opened by Pro Santé Connect alone, and Pro Santé Connect opens no other."""
        if auth_provider_id == self._settings.provider:
            fits = username is not None and self._names.rpps(username) is not None
        elif username is None:
            fits = True
        else:
            fits = not self._names.reserved(username)
            fits = fits and username.startswith(self._settings.others.get(auth_provider_id or "", ""))
        if not fits:
            log.error("ALARM an account like a professional's is refused, asked for by %s", auth_provider_id)
        return RegistrationBehaviour.ALLOW if fits else RegistrationBehaviour.DENY

    async def may_log_in(
        self, user_id: str, device_id: str | None, initial_display_name: str | None, request_info: Any,
        auth_provider_id: str | None = None,
    ) -> Any:  # fmt: skip
        """Each account has one door: neither a password nor another provider opens a professional's."""
        localpart = UserID.from_string(user_id).localpart
        professional = self._names.rpps(localpart) is not None
        by_card = auth_provider_id == self._settings.provider
        ghost = self._names.ghost(localpart)  # the hub's: nobody else has their token
        if ghost or (professional == by_card and (professional or not self._names.reserved(localpart))):
            return NOT_SPAM
        log.error("ALARM %s is asked for by %s: refused", user_id, auth_provider_id or "a password or token")
        return Codes.FORBIDDEN, {"error": say("reserved" if professional else "not_yours")}

    async def audit(self) -> None:
        """Name accounts that look like a professional's from the time before this module; they stay closed."""

        def strange(user: str) -> bool:
            localpart = UserID.from_string(user).localpart
            return self._names.reserved(localpart) and self._names.rpps(localpart) is None

        for user in await self._kept.alike(strange):
            if not self._names.ghost(UserID.from_string(user).localpart):
                log.error("ALARM %s looks like a professional's account: nobody can log in to it", user)

    # ---- what follows from the directory

    async def logged_in(self, user_id: str, auth_provider_type: str | None, auth_provider_id: str | None) -> None:
        """The hub hears of it at once; while it is away, :meth:`refresh` tells it later."""
        if auth_provider_id == self._settings.provider:
            self._untold.add(user_id)
            await self._tell_logins()

    async def _tell_logins(self) -> None:
        told = [(user, await self._kept.last(user)) for user in sorted(self._untold)]
        if told and await self._ask(told, login=True):
            self._untold.difference_update(user for user, _ in told)

    async def refresh(self) -> None:
        """Ask about everybody who has an account by Pro Santé Connect."""
        await self._tell_logins()
        await self._tell_ends()
        every: list[tuple[str, Last | None]] = []
        after = ""
        while page := await self._kept.accounts(self._settings.provider, after):
            every += page
            after = page[-1][0]
        await self._ask(every)

    async def _ask(self, accounts: list[tuple[str, Last | None]], *, login: bool = False) -> bool:
        """False: the hub has not heard it."""
        numbers = {user: self._rpps(user) for user, _ in accounts}
        known = {user: rpps for user, rpps in numbers.items() if rpps is not None}
        try:
            found = await self._directory.tell(known, login=login)
            told = changes(accounts, found)
        except HubAway as away:
            log.error("ALARM the hub does not say who is in the directory: %s", away)
            return False
        except TooMany as many:
            log.error("ALARM %s: nobody is; look at the directory", many)
            return True
        for user in lost(accounts, found):
            log.error("ALARM %s is not in the directory any more: sessions stay, a new login does not open", user)
        await self._follow(told)
        return True

    async def _follow(self, told: Sequence[Change]) -> None:
        """First nobody who is closed gets further; what was done is noted last, so that a crash repeats it."""
        self._locked -= {one.user for one in told if not one.entry.state.closed}
        self._locked |= {one.user for one in told if one.entry.state.closed}
        for one in told:
            if one.closes:
                await end_sessions(self._api, one.user)
                log.warning("%s is closed (%s): all sessions have ended", one.user, one.entry.state.value)
            if one.named:
                await self._kept.note([(one.user, one.entry)])  # what the account is called is known before it changes
                await self._api.set_displayname(UserID.from_string(one.user), one.entry.shown)
        await self._kept.note([(one.user, one.entry) for one in told])

    async def profile_changed(self, user_id: str, new_profile: Any, by_admin: bool, deactivation: bool) -> None:
        """A professional is called as the directory says: a profession is nothing that people give themselves."""
        if by_admin or deactivation or self._rpps(user_id) is None:
            return
        last = await self._kept.last(user_id)
        if last is not None and last.entry.shown not in ("", new_profile.display_name):
            await self._api.set_displayname(UserID.from_string(user_id), last.entry.shown)

    async def deactivated(self, user_id: str, deactivated: bool, by_admin: bool) -> None:
        """An account has ended: the hub sends nothing there any more, and nothing is kept of it here."""
        if deactivated and self._rpps(user_id) is not None:
            await self._tell_ends()

    async def _tell_ends(self) -> None:
        for user in await self._kept.ended():
            try:
                await self._directory.ended(user)
            except HubAway as away:
                log.error("ALARM the hub does not hear that an account has ended: %s", away)
                return
            await self._kept.forget(user)

    async def look(self) -> None:
        """Who is locked, as the process that asks the hub has noted it."""
        self._locked = await self._kept.closed()

    async def is_locked(self, user_id: str) -> bool | None:
        """Synapse asks at each request (403 ``ORG_MATRIX_EXPIRED_ACCOUNT``); None: others decide."""
        return True if user_id in self._locked else None

    def _rpps(self, user: str) -> str | None:
        return self._names.rpps(UserID.from_string(user).localpart)


async def end_sessions(api: Any, user: str) -> None:
    """All devices of a user, with their tokens and keys.

    The module API has no call for it that works: ``invalidate_access_token`` fails in Synapse 1.163 (it reads an object
    as a dictionary). So this one line reaches into the homeserver.
    """
    await api._hs.get_device_handler().delete_all_devices_for_user(user)
