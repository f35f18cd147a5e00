"""What the policy module costs a Synapse: beside the same Synapse without it, each callback, and a list read anew."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import statistics
import subprocess
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import aiohttp

from bridge.people.federation.participants import Capacity, FederationList, Participant, compose
from bridge.people.federation.signed import PrivateKey, new_key, public_pem, read_private, sign
from deploy.world.certificates import Authority
from deploy.world.synapse import PYTHON, Options, Synapse, start_all

Json = dict[str, Any]
_DOMAINS = 20_000
_TICK = os.sysconf("SC_CLK_TCK")
_CLIENT = "/_matrix/client/v3"
_SECRET = {
    "algorithm": "m.megolm.v1.aes-sha2",
    "ciphertext": "AA",
    "session_id": "s",
    "sender_key": "k",
    "device_id": "D",
}


async def measure(folder: Path, quick: bool) -> dict[str, float]:
    """CPU of two Synapses that do the same in turns, one with the module; microseconds of the module itself."""
    found = await asyncio.to_thread(alone, folder, quick)
    async with AsyncExitStack() as stack:
        bare, with_it = await _servers(folder, stack)
        found |= await _beside(bare, with_it, (2, 20) if quick else (8, 100))
    return found


def a_list(sequence: int, key: PrivateKey, many: int) -> bytes:
    """A signed list of many homeservers."""
    now = int(time.time())
    names = [f"hopital-{n}.example" for n in range(many)]
    who = {name: Participant(name, frozenset({Capacity.MATRIX}), "CHU") for name in names}
    return sign(compose(FederationList(sequence, now - 60, now + 86_400, "ANS", who)), key)


def alone(folder: Path, quick: bool) -> dict[str, float]:
    """The callbacks in Synapse's own Python, without a server around them; what they read is written first."""
    folder.mkdir(parents=True, exist_ok=True)
    key = read_private(new_key())
    (folder / "list.pem").write_bytes(public_pem(key.public_key()))
    for number, name in enumerate(("list.jws", "newer.jws"), 1):
        (folder / name).write_bytes(a_list(number, key, 200 if quick else _DOMAINS))
    script = Path(__file__).with_name("policy_child.py")
    ran = subprocess.run(
        [PYTHON, script, folder, "20" if quick else "2000"], check=True, capture_output=True, timeout=300
    )
    found: dict[str, float] = json.loads(ran.stdout)
    return found


async def _servers(folder: Path, stack: AsyncExitStack) -> tuple[_User, _User]:
    config = {
        "state": str(folder / "state"),
        "federation": {"list": str(folder / "list.jws"), "keys": [str(folder / "list.pem")]},
    }
    modules = {"modules": [{"module": "liaison_policy.policy.Policy", "config": config}]}
    authority = Authority(folder)
    bare = Synapse(folder / "bare", authority)
    with_it = Synapse(folder / "with", authority, options=Options(settings=modules))
    for server in (bare, with_it):
        stack.push_async_callback(server.kill)
    await start_all(bare, with_it)
    session = await stack.enter_async_context(aiohttp.ClientSession())
    return await _User.of(bare, session), await _User.of(with_it, session)


@dataclass
class _User:
    """Somebody with a room; ``others`` wait to be invited."""

    server: Synapse
    session: aiohttp.ClientSession
    token: str
    room: str
    others: list[str]

    @classmethod
    async def of(cls, server: Synapse, session: aiohttp.ClientSession) -> _User:
        made = await server.register_user("ben", "correct horse")
        user = cls(server, session, made["access_token"], "", [])
        state = [{"type": "m.room.encryption", "state_key": "", "content": {"algorithm": _SECRET["algorithm"]}}]
        body = {"preset": "private_chat", "initial_state": state}
        user.room = str((await user.call("POST", "/createRoom", body))["room_id"])
        return user

    async def call(self, method: str, path: str, body: Json) -> Json:
        headers = {"Authorization": f"Bearer {self.token}"}
        url = self.server.url + _CLIENT + path
        async with self.session.request(method, url, json=body, headers=headers) as answer:
            found: Json = await answer.json()
        if answer.status != 200:
            raise RuntimeError(f"{path}: {answer.status} {found}")
        return found

    async def say(self) -> None:
        path = f"/rooms/{quote(self.room)}/send/m.room.encrypted/{secrets.token_hex(8)}"
        await self.call("PUT", path, _SECRET)

    async def name(self) -> None:
        path = f"/rooms/{quote(self.room)}/state/m.room.topic/"
        await self.call("PUT", path, {"topic": f"Garde de cardiologie {secrets.token_hex(2)}"})

    async def meet(self, n: int) -> None:
        """More people, before anything is counted."""
        made = [await self.server.register_user(f"u{secrets.token_hex(5)}", "correct horse") for _ in range(n)]
        self.others += [one["user_id"] for one in made]

    async def invite(self) -> None:
        await self.call("POST", f"/rooms/{quote(self.room)}/invite", {"user_id": self.others.pop()})

    def cpu(self) -> float:
        """Of the server, in ms."""
        process = self.server._process
        assert process is not None
        fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) * 1000 / _TICK


async def _beside(bare: _User, with_it: _User, size: tuple[int, int]) -> dict[str, float]:
    """In turns, so that whatever else the machine does counts for both."""
    rounds, times = size
    kinds: dict[str, tuple[Callable[[_User], Awaitable[None]], int]] = {
        "event": (_User.say, times), "state": (_User.name, max(times // 5, 5)),
        "invite": (_User.invite, max(times // 10, 2)),
    }  # fmt: skip
    spent: dict[tuple[str, int], list[float]] = {(kind, n): [] for kind in kinds for n in (0, 1)}
    for _ in range(rounds):
        for kind, (act, many) in kinds.items():
            for n, user in enumerate((bare, with_it)):
                if kind == "invite":
                    await user.meet(many)
                before = user.cpu()
                for _ in range(many):
                    await act(user)
                spent[kind, n].append((user.cpu() - before) / many)
    return {f"policy_{kind}_share_of_bare": _middle(spent[kind, 1]) / _middle(spent[kind, 0]) for kind in kinds}


def _middle(some: Sequence[float]) -> float:
    return max(statistics.median(some), 0.001)
