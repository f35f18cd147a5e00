"""Run by Synapse's Python: a module whose rules fail, and what Synapse is answered; prints JSON."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from synapse.module_api import NOT_SPAM
from synapse.module_api.errors import ConfigError, SynapseError

from liaison_policy.policy import Policy

SECRET = "Mme DURAND Marie"


class Config:
    """As much of Synapse's as the module touches."""

    federation_domain_whitelist: Any = None

    def is_domain_allowed_according_to_federation_whitelist(self, domain: str) -> bool:
        return domain in self.federation_domain_whitelist


class Api:
    """A module API whose account data and database always fail."""

    server_name = "home.example"

    def __init__(self, config: Any = None) -> None:
        self.callbacks: dict[str, Any] = {}
        self._hs = SimpleNamespace(config=SimpleNamespace(federation=config or Config()))
        self.account_data_manager = SimpleNamespace(get_global=self._fail)
        self.run_db_interaction = self._fail

    async def _fail(self, *_: Any) -> Any:
        raise RuntimeError(f"something about {SECRET}")

    async def defer_to_thread(self, call: Any, *args: Any) -> Any:
        return call(*args)

    def register_spam_checker_callbacks(self, **callbacks: Any) -> None:
        self.callbacks |= callbacks

    register_third_party_rules_callbacks = register_spam_checker_callbacks
    register_account_data_callbacks = register_spam_checker_callbacks

    def looping_background_call(self, *_: Any, **__: Any) -> None:
        pass

    def should_run_background_tasks(self) -> bool:
        return True


def said(answer: Any) -> Any:
    """As Synapse would tell a client: status, code, reason."""
    if answer == NOT_SPAM:
        return "NOT_SPAM"
    return [str(answer[0].value), answer[1]["fr.liaison.reason"]]


async def created(call: Any, body: dict[str, Any]) -> Any:
    requester = SimpleNamespace(user=SimpleNamespace(to_string=lambda: "@kim:home.example"))
    try:
        await call(requester, body, False)
    except SynapseError as error:
        return [error.code, str(error.errcode.value), error.error_dict(None)["fr.liaison.reason"]]
    return "made"


async def answers(folder: Path, fails: str) -> dict[str, Any]:
    api = Api()
    Policy(Policy.parse_config({"state": str(folder / fails), "when_it_fails": fails}), api)
    call, ben, kim = api.callbacks, "@ben:home.example", "@kim:home.example"
    redaction = SimpleNamespace(sender=kim, type="m.room.redaction", redacts="$x", content={}, is_state=lambda: False)
    odd = SimpleNamespace(sender=kim, type="m.room.topic", content={"topic": SECRET}, is_state=lambda: 1 / 0)
    invitation = SimpleNamespace(sender=kim, state_key=ben, unsigned={})
    await call["on_account_data_updated"](ben, None, "m.ignored_user_list", {})
    return {
        "invite": said(await call["user_may_invite"](kim, ben, "!r")),
        "invited": said(await call["federated_user_may_invite"](invitation)),
        "redaction": said(await call["check_event_for_spam"](redaction)),
        "odd event": said(await call["check_event_for_spam"](odd)),
        "room": await created(call["on_create_room"], {"invite": [ben]}),
        "odd room": await created(call["on_create_room"], {"initial_state": 7, "invite": 7, "topic": {"x": SECRET}}),
        "odd upgrade": said(await call["user_may_create_room"](kim, {"creation_content": 7})),
        "mail": said(await call["user_may_send_3pid_invite"](kim, "email", SECRET, "!r")),
        "published": said(await call["user_may_publish_room"](kim, "!r")),
    }


def started(folder: Path, config: Any, **section: Any) -> str:
    """What ends a start."""
    try:
        Policy(Policy.parse_config({"state": str(folder / "other"), **section}), Api(config))
    except ConfigError as error:
        return str(error.msg)
    return "started"


async def main(folder: Path) -> None:
    log = io.StringIO()
    logging.basicConfig(stream=log, level=logging.DEBUG)
    (folder / "file").write_text("")
    found = {fails: await answers(folder, fails) for fails in ("refuse", "allow")}
    starts = {
        "no gate": started(folder, SimpleNamespace()),
        "a typing mistake": started(folder, None, colour="blue"),
        "no folder": started(folder, None, state=str(folder / "file")),
    }
    print(json.dumps({**found, "starts": starts, "secret": SECRET in log.getvalue(), "log": log.getvalue()}))


asyncio.run(main(Path(sys.argv[1])))
