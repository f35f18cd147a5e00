"""Run by Synapse's Python: the module's callbacks one by one, and a list of 20,000 domains read anew; prints JSON.

Arguments: the folder of the lists, and how often each is called.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

_TIMES, _ROUNDS = int(sys.argv[2]), 5
_CHOICE = {"blocked_users": [f"@u{n}:*.example" for n in range(50)], "blocked_servers": ["x.example"] * 50}


class Api:
    """As much of the module API as the module uses; ``data`` is everybody's account data by type."""

    server_name = "home.example"

    def __init__(self) -> None:
        self.callbacks: dict[str, Any] = {}
        self.data: dict[str, Any] = {}
        whitelist = SimpleNamespace(federation_domain_whitelist=None)
        whitelist.is_domain_allowed_according_to_federation_whitelist = lambda domain: (
            domain in whitelist.federation_domain_whitelist
        )
        self._hs = SimpleNamespace(config=SimpleNamespace(federation=whitelist))
        self.account_data_manager = SimpleNamespace(get_global=self._get)

    async def _get(self, user: str, kind: str) -> Any:
        return self.data.get(kind)

    async def defer_to_thread(self, call: Callable[..., Any], *args: Any) -> Any:
        """At once."""
        return call(*args)

    def register_spam_checker_callbacks(self, **callbacks: Any) -> None:
        """Remember them by name."""
        self.callbacks |= callbacks

    register_third_party_rules_callbacks = register_spam_checker_callbacks
    register_account_data_callbacks = register_spam_checker_callbacks

    def looping_background_call(self, *_: Any, **__: Any) -> None:
        """Nothing happens by itself here."""

    def should_run_background_tasks(self) -> bool:
        """Nothing runs here."""
        return False


def event(sender: str, kind: str, content: Any, state: bool) -> Any:
    """As Synapse's, of which the module reads this."""
    return SimpleNamespace(sender=sender, type=kind, content=content, is_state=lambda: state)


async def timed(call: Callable[..., Any], *args: Any) -> float:
    """Microseconds of one call: the best of several rounds."""
    best = float("inf")
    for _ in range(_ROUNDS):
        start = time.perf_counter()
        for _ in range(_TIMES):
            await call(*args)
        best = min(best, time.perf_counter() - start)
    return best / _TIMES * 1e6


async def main(folder: Path) -> dict[str, float]:
    """By name."""
    from liaison_policy.policy import Policy

    section = {
        "state": str(folder / "child"),
        "federation": {"list": str(folder / "list.jws"), "keys": [str(folder / "list.pem")]},
    }
    api = Api()
    policy = Policy(Policy.parse_config(section), api)
    check, invite = api.callbacks["check_event_for_spam"], api.callbacks["user_may_invite"]
    ben, ada = "@ben:home.example", "@ada:hopital-7.example"
    topic = event(ben, "m.room.topic", {"topic": "Garde de cardiologie, semaine 12"}, True)
    found = {
        "policy_message_us": await timed(check, event(ben, "m.room.encrypted", {}, False)),
        "policy_foreign_message_us": await timed(check, event(ada, "m.room.encrypted", {}, False)),
        "policy_topic_us": await timed(check, topic),
        "policy_invite_us": await timed(invite, ada, ben, "!r"),
    }
    api.data["org.matrix.msc4155.invite_permission_config"] = _CHOICE
    found["policy_invite_100_rules_us"] = await timed(invite, ada, ben, "!r")
    kept = policy._kept
    assert kept is not None
    start = time.perf_counter()
    kept.take((folder / "newer.jws").read_bytes())
    return found | {"policy_reload_20k_ms": (time.perf_counter() - start) * 1000}


print(json.dumps(asyncio.run(main(Path(sys.argv[1])))))
