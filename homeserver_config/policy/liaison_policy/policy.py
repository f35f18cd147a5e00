"""The module as Synapse loads it: which callback asks which rule, and what a client is told."""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from functools import wraps
from pathlib import Path
from typing import Any

from synapse.module_api import NOT_SPAM
from synapse.module_api.errors import Codes, ConfigError, SynapseError

from liaison_policy.contact import TYPES
from liaison_policy.gate import Gate, GateMissing, close
from liaison_policy.ghosts import Ghosts
from liaison_policy.hub import HubLine
from liaison_policy.identities import Identities
from liaison_policy.invitations import Blocks, Homeserver, Invitations
from liaison_policy.kept import KeptList
from liaison_policy.memory import Memory
from liaison_policy.reasons import Refusal
from liaison_policy.refusals import Refusals
from liaison_policy.rooms import CLEAR, KEPT, check_creation, check_invitation, check_name, check_state, check_upgrade
from liaison_policy.servers import Servers
from liaison_policy.settings import BadSettings, Configured, configured

log = logging.getLogger(__name__)
_SHARED = """
SELECT 1 FROM local_current_membership AS mine JOIN current_state_events AS theirs ON theirs.room_id = mine.room_id
WHERE mine.user_id = ? AND mine.membership = 'join'
AND theirs.type = 'm.room.member' AND theirs.state_key = ? AND theirs.membership = 'join' LIMIT 1
"""
_KIND = "SELECT type FROM state_events WHERE event_id = ?"
Answer = Any
Callback = Callable[..., Awaitable[Answer]]


class Policy:
    """Synapse makes one in each of its processes; ``api`` is its module API."""

    def __init__(self, config: Configured, api: Any) -> None:
        _speak()
        settings = config.settings
        self._settings, self._rules, self._api = settings, config.rules, api
        self._own = f":{api.server_name}"
        self._ghosts = Ghosts(api.server_name, settings.ghosts.prefix, settings.ghosts.mail_prefix)
        self._kept = self._list(config)
        self.servers = Servers(api.server_name, settings.servers, self._kept)
        memory = Memory(settings.state / "policy.db")
        hub, fresh = _line(config)
        identities = Identities(self._ghosts, memory, hub, fresh, api.defer_to_thread, time.time)
        home = Homeserver(api.server_name, api.account_data_manager.get_global, self._share_a_room)
        self._invitations = Invitations(
            home, self.servers, self._ghosts, identities, settings.contact, settings.externals, time.time
        )
        self._blocks = Blocks(memory, hub, api.defer_to_thread)
        self._refusals = Refusals(hub, api.defer_to_thread)
        _prepared(memory, settings.state)
        self._close_gate()
        self._register()

    @staticmethod
    def parse_config(config: Any) -> Configured:
        """Called by Synapse at start, and by its configuration check. Raises ConfigError."""
        try:
            return configured(config)
        except BadSettings as bad:
            raise ConfigError(str(bad)) from None

    def _list(self, config: Configured) -> KeptList | None:
        section = config.settings.federation
        if section is None:
            return None
        kept = KeptList(section.offered, config.settings.state / "federation.jws", config.keys, time.time)
        try:
            kept.load()
        except OSError as error:
            raise ConfigError(f"state: {error.strerror}: {config.settings.state}") from None
        return kept

    def _close_gate(self) -> None:
        try:
            close(self._api, Gate(self.servers.allows, self.servers.names))
        except GateMissing as missing:
            raise ConfigError(f"this Synapse cannot be closed by the list: it has no {missing}") from None

    def _register(self) -> None:
        api, guard = self._api, self._guarded
        api.register_spam_checker_callbacks(
            check_event_for_spam=self.check_event_for_spam,
            user_may_join_room=guard(self._join),
            user_may_invite=guard(self._invite),
            federated_user_may_invite=guard(self._invited_from_elsewhere),
            user_may_send_3pid_invite=guard(self._invite_by_mail),
            user_may_create_room=self._made_by(),
            user_may_create_room_alias=guard(self._alias),
            user_may_publish_room=guard(self._publish),
        )
        api.register_third_party_rules_callbacks(on_create_room=self.on_create_room)
        api.register_account_data_callbacks(on_account_data_updated=self.on_account_data)
        if self._kept is not None and self._settings.federation is not None:
            look = self._settings.federation.look_s * 1000
            api.looping_background_call(self._look, look, desc="liaison_policy_list", run_on_all_instances=True)
        if self._settings.hub is not None:
            again = self._settings.hub.retry_s * 1000
            told = self._refusals.deliver
            api.looping_background_call(told, again, desc="liaison_policy_refusals", run_on_all_instances=True)
            if api.should_run_background_tasks():
                api.looping_background_call(self._blocks.deliver, again, desc="liaison_policy_blocks")

    async def _look(self) -> None:
        if self._kept is not None:
            await self._api.defer_to_thread(self._kept.look)

    # ---- answers

    def _guarded(self, rule: Callback) -> Callback:
        """A rule that raises Refusal as a callback of the spam checker, which answers and never fails."""

        @wraps(rule)
        async def callback(*given: Any, **named: Any) -> Answer:
            try:
                await rule(*given, **named)
            except Refusal as refusal:
                return self._refused(refusal)
            except Exception as bug:  # a 500 would tell nobody anything
                return self._failed(rule.__name__, bug)
            return NOT_SPAM

        return callback

    def _refused(self, refusal: Refusal) -> Answer:
        self._refusals.count(refusal)
        return Codes(refusal.reason.errcode), refusal.reason.fields(self._settings.language)

    def _failed(self, rule: str, bug: Exception) -> Answer:
        """Texts of errors may hold what was said: neither the text nor the traceback is logged."""
        log.error("ALARM liaison_policy: %s failed (%s): %s", rule, self._settings.when_it_fails, _where(bug))
        return NOT_SPAM if self._settings.when_it_fails == "allow" else self._refused(Refusal("internal_error"))

    # ---- people

    async def _invite(self, inviter: str, invited: str, room_id: str) -> None:
        await self._invitations.check(inviter, invited)

    async def _invited_from_elsewhere(self, event: Any) -> None:
        state = event.unsigned.get("invite_room_state") or ()
        await self._invitations.check(event.sender, event.state_key)
        check_invitation(self._rules, event.room_version.identifier, state)

    async def _invite_by_mail(self, inviter: str, medium: str, address: str, room_id: str) -> None:
        raise Refusal("invite_by_mail")

    async def _join(self, user: str, room_id: str, is_invited: bool) -> None:
        if not is_invited and self._invitations.external(user):
            raise Refusal("external_user")

    async def on_account_data(self, user_id: str, room_id: str | None, kind: str, content: Any) -> None:
        """Somebody has chosen anew; the hub hears whom they have blocked."""
        if room_id is not None or kind not in TYPES or self._ghosts.has(user_id):
            return
        try:
            await self._blocks.chosen(user_id, await self._invitations.choice(user_id))
        except Exception as bug:
            log.error("ALARM liaison_policy: a choice was not told to the hub: %s", _where(bug))

    async def _share_a_room(self, user: str, others: frozenset[str]) -> bool:
        def ask(txn: Any) -> bool:
            for other in others:
                txn.execute(_SHARED, (user, other))
                if txn.fetchone() is not None:
                    return True
            return False

        return bool(await self._api.run_db_interaction("liaison_policy_known", ask))

    # ---- rooms

    async def on_create_room(self, requester: Any, config: dict[str, Any], is_admin: bool) -> None:
        """Before the room exists: nothing is left behind by a refusal. Raises SynapseError."""
        try:
            changed = check_creation(self._rules, config, _year())
            user = requester.user.to_string()
            if self._invitations.external(user):
                raise Refusal("external_user")
            if config.get("invite_3pid"):
                raise Refusal("invite_by_mail")
            for invited in config.get("invite") or ():
                if isinstance(invited, str):
                    await self._invitations.check(user, invited)
            config.update(changed)
        except Refusal as refusal:
            raise self._error(refusal) from None
        except Exception as bug:
            if (answer := self._failed("on_create_room", bug)) != NOT_SPAM:
                raise SynapseError(403, answer[1]["error"], answer[0], answer[1]) from None

    def _error(self, refusal: Refusal) -> SynapseError:
        self._refusals.count(refusal)
        reason = refusal.reason
        fields = reason.fields(self._settings.language)
        status = 400 if reason.code == "room_version" else 403
        return SynapseError(status, fields["error"], Codes(reason.errcode), fields)

    def _made_by(self) -> Callback:
        """Synapse counts the names of the parameters: with two it gives the request, also that of an upgrade."""
        check = self._guarded(self._upgrade)

        async def user_may_create_room(user_id: str, room_config: dict[str, Any]) -> Answer:
            return await check(user_id, room_config)

        return user_may_create_room

    async def _upgrade(self, user: str, config: Mapping[str, Any]) -> None:
        if self._invitations.external(user):
            raise Refusal("external_user")
        if "predecessor" in (config.get("creation_content") or {}) and "preset" not in config:
            check_upgrade(self._rules, config, _year())

    async def _alias(self, user: str, alias: Any) -> None:
        if self._invitations.external(user):
            raise Refusal("external_user")
        check_name(self._rules, alias.localpart, _year())

    async def _publish(self, user: str, room_id: str) -> None:
        raise Refusal("public_room")

    # ---- events

    async def check_event_for_spam(self, event: Any) -> Answer:
        """Of this server's users, and of others: most are encrypted messages, which pass at once."""
        try:
            sender: str = event.sender
            own = sender.endswith(self._own)
            if own and event.type == "m.room.encrypted":
                return NOT_SPAM
            if not own:
                return self._foreign(event, sender)
            await self._of_this_server(event, sender)
        except Refusal as refusal:
            return self._refused(refusal)
        except Exception as bug:
            return self._failed("check_event_for_spam", bug)
        return NOT_SPAM

    def _foreign(self, event: Any, sender: str) -> Answer:
        """What a listed server passes on of one that is not. It is not shown; what holds a room together is kept."""
        server = sender.partition(":")[2]
        if self.servers.allows(server) or (event.is_state() and event.type != "m.room.member"):
            return NOT_SPAM
        return self._refused(Refusal("server_not_listed", server))

    async def _of_this_server(self, event: Any, sender: str) -> None:
        kind = event.type
        if event.is_state():
            check_state(self._rules, kind, event.content, _year())
        elif kind in CLEAR and self._settings.rooms.clear_text == "refuse" and not self._ghosts.has(sender):
            raise Refusal("clear_text")
        elif kind == "m.room.redaction" and await self._kind(event.redacts) in KEPT:
            raise Refusal("protected_event")

    async def _kind(self, event_id: Any) -> str | None:
        """Of an event of some room's state."""
        if not isinstance(event_id, str):
            return None

        def ask(txn: Any) -> str | None:
            txn.execute(_KIND, (event_id,))
            row = txn.fetchone()
            return None if row is None else str(row[0])

        found = await self._api.run_db_interaction("liaison_policy_redacts", ask)
        return None if found is None else str(found)


def _line(config: Configured) -> tuple[HubLine | None, float]:
    """The hub, if there is one, and how long its answers count (s)."""
    section = config.settings.hub
    if section is None:
        return None, 0.0
    return HubLine(section.url, config.token, section.timeout_s, section.retry_s), section.fresh_s


def _speak() -> None:
    """Loggers that were made before the log was configured are silent, unless that configuration says otherwise."""
    for name in list(logging.root.manager.loggerDict):
        if name.partition(".")[0] == "liaison_policy":
            logging.getLogger(name).disabled = False


def _prepared(memory: Memory, folder: Path) -> None:
    try:
        memory.prepare()
    except Exception as error:
        raise ConfigError(f"state: cannot be used: {folder} ({type(error).__name__})") from None


def _where(bug: Exception) -> str:
    """The kind of an error, and the line that raised it."""
    at = bug.__traceback__
    while at is not None and at.tb_next is not None:
        at = at.tb_next
    line = "" if at is None else f" at {Path(at.tb_frame.f_code.co_filename).name}:{at.tb_lineno}"
    return type(bug).__name__ + line


def _year() -> int:
    return datetime.now(UTC).year
