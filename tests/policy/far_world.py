"""Two homeservers of the list, each with the module, and one that is not on it; people who speak plain HTTP."""

from __future__ import annotations

import asyncio
import json
import secrets
import tempfile
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import aiohttp
import yaml

from appservice.process.registration import registration
from appservice.process.settings import MatrixSettings
from bridge.people.federation.participants import Capacity, FederationList, Participant, compose
from bridge.people.federation.signed import PrivateKey, new_key, public_pem, read_private, sign
from deploy.world.certificates import Authority
from deploy.world.ports import free_ports
from deploy.world.postgres import memory
from deploy.world.synapse import ROOT, Options, Synapse, start_all
from deploy.world.waiting import until

Json = dict[str, Any]
PREVIOUS = ROOT / ".venv-synapse/previous"
DAY = 86_400
AS_TOKEN = "as-policy"
TOKEN = "a-token-of-the-module"
_NOTHING: dict[str, Json] = {
    "m.ignored_user_list": {"ignored_users": {}},
    "m.invite_permission_config": {"default_action": "allow"},
}
MEGOLM: Json = {"type": "m.room.encryption", "state_key": "", "content": {"algorithm": "m.megolm.v1.aes-sha2"}}


@dataclass(frozen=True, slots=True)
class Answer:
    """What a homeserver answered."""

    status: int
    body: Json = field(repr=False)

    @property
    def short(self) -> tuple[int, str, str]:
        """Status, Matrix error code, our reason."""
        return self.status, self.body.get("errcode", ""), self.body.get("fr.liaison.reason", "")


class Someone:
    """A user with a token; ``who`` masquerades (a ghost of an appservice)."""

    def __init__(self, world: PolicyWorld, server: Synapse, mxid: str, token: str, who: str = "") -> None:
        self.world, self.server, self.mxid, self._token, self._who = world, server, mxid, token, who
        self._chosen: set[str] = set()

    async def call(self, method: str, path: str, body: Json | None = None, base: str = "client/v3") -> Answer:
        """One request."""
        query = {"user_id": self._who} if self._who else {}
        headers = {"Authorization": f"Bearer {self._token}"}
        url = f"{self.server.url}/_matrix/{base}{path}"
        async with self.world.session.request(method, url, json=body, headers=headers, params=query) as answer:
            return Answer(answer.status, await answer.json())

    async def create(self, **body: Any) -> Answer:
        return await self.call("POST", "/createRoom", {"preset": "private_chat", **body})

    async def room(self, **body: Any) -> str:
        made = await self.create(**body)
        assert made.status == 200, made.body
        return str(made.body["room_id"])

    async def invite(self, room: str, user: str) -> Answer:
        return await self.call("POST", f"/rooms/{quote(room)}/invite", {"user_id": user})

    async def invite_anew(self, user: str, *state: Json) -> Answer:
        """Into a room of its own, which is encrypted also where no module sees to it."""
        return await self.invite(await self.room(initial_state=list(state or (MEGOLM,))), user)

    async def join(self, room: str, via: str = "") -> Answer:
        return await self.call("POST", f"/join/{quote(room)}" + (f"?via={quote(via)}" if via else ""), {})

    async def knock(self, room: str, via: str = "") -> Answer:
        return await self.call("POST", f"/knock/{quote(room)}" + (f"?via={quote(via)}" if via else ""), {})

    async def state(self, room: str, kind: str, content: Json, key: str = "") -> Answer:
        return await self.call("PUT", f"/rooms/{quote(room)}/state/{kind}/{quote(key)}", content)

    async def content(self, room: str, kind: str) -> Json:
        return (await self.call("GET", f"/rooms/{quote(room)}/state/{kind}/")).body

    async def send(self, room: str, kind: str, content: Json) -> Answer:
        txn = secrets.token_hex(8)
        return await self.call("PUT", f"/rooms/{quote(room)}/send/{kind}/{txn}", content)

    async def say(self, room: str) -> Answer:
        """Something encrypted (for the homeserver, which cannot read it)."""
        content = {"algorithm": "m.megolm.v1.aes-sha2", "ciphertext": "AA", "session_id": "s", "sender_key": "k"}
        return await self.send(room, "m.room.encrypted", {**content, "device_id": "D"})

    async def choose(self, kind: str, content: Json) -> Answer:
        self._chosen.add(kind)
        return await self.call("PUT", f"/user/{quote(self.mxid)}/account_data/{kind}", content)

    async def forget_choices(self) -> None:
        """What an earlier scenario has chosen."""
        for kind in self._chosen:
            await self.call("PUT", f"/user/{quote(self.mxid)}/account_data/{kind}", _NOTHING.get(kind, {}))
        self._chosen.clear()

    async def rooms(self) -> set[str]:
        return set((await self.call("GET", "/joined_rooms")).body["joined_rooms"])

    async def invited(self, room: str) -> bool:
        """Whether an invitation to a room is there."""
        found = await self.call("GET", "/sync?timeout=0&filter=" + quote('{"presence":{"limit":0}}'))
        return room in found.body.get("rooms", {}).get("invite", {})


class PolicyWorld:
    """``home`` runs the current Synapse, ``away`` the minor version before; both have the module. ``out`` has none."""

    def __init__(self, folder: Path, authority: Authority) -> None:
        self.folder, self.authority = folder, authority
        self.key: PrivateKey = read_private(new_key())
        (folder / "list.pem").write_bytes(public_pem(self.key.public_key()))
        (folder / "hub.token").write_text(TOKEN)
        (folder / "federation.jws").write_bytes(b"")
        self.hub_port, self.policy_port = free_ports(2)
        hub = f"http://127.0.0.1:{self.policy_port}"
        more = {"hub": {"url": hub, "token_file": str(folder / "hub.token"), "fresh_s": 0, "retry_s": 0.2}}
        self.home = self._server("home", authority, (), more)
        self.away = self._server("away", authority, (PREVIOUS,), {})
        self.out = Synapse(folder / "out", authority)
        self._register()
        self.sequence = 0
        self.session = aiohttp.ClientSession()
        self._people: dict[tuple[Synapse, str], Someone] = {}

    def _server(self, name: str, authority: Authority, paths: Sequence[Path], more: Mapping[str, Any]) -> Synapse:
        config = {
            "state": str(self.folder / name / "policy"),
            "federation": {
                "list": str(self.folder / "federation.jws"), "keys": [str(self.folder / "list.pem")], "look_s": 0.1
            },
            "externals": ["@ext_*"],
            "rooms": {"patterns": ["chambre [0-9]+"]},
            **more,
        }  # fmt: skip
        modules = [{"module": "liaison_policy.policy.Policy", "config": config}]
        settings = {"modules": modules, "allow_guest_access": False, "enable_room_list_search": True}
        return Synapse(self.folder / name, authority, options=Options(settings=settings, pythonpath=paths))

    def _register(self) -> None:
        path = self.folder / "registration.yaml"
        path.write_text(yaml.safe_dump(registration(self.hub_settings(), AS_TOKEN, "hs-policy")))
        self.home.registrations.append(path)

    def hub_settings(self) -> MatrixSettings:
        """Of a hub beside ``home``, which most stories do without: then it is one that is down."""
        return MatrixSettings(
            homeserver=self.home.url, server_name=self.home.name, as_token=AS_TOKEN, hs_token="hs-policy",
            address=f"http://127.0.0.1:{self.hub_port}", key_wait_s=3.0, park_notice_s=2.0,
        )  # fmt: skip

    async def someone(self, server: Synapse, name: str) -> Someone:
        """The same person each time."""
        if (server, name) not in self._people:
            user = await server.register_user(name, "correct horse", name.title())
            self._people[server, name] = Someone(self, server, user["user_id"], user["access_token"])
        return self._people[server, name]

    async def ghost(self, localpart: str) -> Someone:
        """Of the hub beside ``home``."""
        made = self._people.get((self.home, localpart))
        if made is None:
            mxid = f"@{localpart}:{self.home.name}"
            made = self._people[self.home, localpart] = Someone(self, self.home, mxid, AS_TOKEN, mxid)
            body = {"type": "m.login.application_service", "username": localpart, "inhibit_login": True}
            answer = await made.call("POST", "/register", body)
            assert answer.status == 200, answer.body
        return made

    # ---- the list

    def signed(
        self, domains: Sequence[str], *, days: float = 30, sequence: int | None = None, key: Any = None
    ) -> bytes:
        """A list of homeservers."""
        now = int(time.time())
        who = {domain: Participant(domain, frozenset({Capacity.MATRIX}), "CHU") for domain in domains}
        number = self.sequence + 1 if sequence is None else sequence
        return sign(compose(FederationList(number, now - 10, now + int(days * DAY), "ANS", who)), key or self.key)

    def offer(self, signed: bytes) -> None:
        """Put a list where the modules look, whole."""
        draft = self.folder / "federation.new"
        draft.write_bytes(signed)
        draft.replace(self.folder / "federation.jws")

    async def issue(self, *servers: Synapse, days: float = 30, more: Sequence[str] = ()) -> None:
        """Offer a new list, and wait until both modules use it."""
        signed = self.signed([*(server.name for server in servers), *more], days=days)
        self.sequence += 1
        self.offer(signed)
        kept = [self.folder / name / "policy/federation.jws" for name in ("home", "away")]
        await until(lambda: all(path.exists() and path.read_bytes() == signed for path in kept), "the list in use")
        await until(lambda: all(self._says(s, f"list {self.sequence} of") for s in (self.home, self.away)))

    def _says(self, server: Synapse, words: str) -> bool:
        return words in server.log.read_text()

    async def alarmed(self, words: str) -> None:
        """Both modules say something about the list."""
        for server in (self.home, self.away):
            await until(lambda server=server: self._says(server, words), words)  # type: ignore[misc]

    async def close(self) -> None:
        await self.session.close()


@asynccontextmanager
async def policy_world() -> AsyncIterator[PolicyWorld]:
    """Started once; all three at once."""
    with tempfile.TemporaryDirectory(prefix="liaison-policy-", dir=memory()) as folder:
        world = PolicyWorld(Path(folder), Authority(Path(folder)))
        world.offer(world.signed([world.home.name, world.away.name]))
        world.sequence = 1
        try:
            await start_all(world.home, world.away, world.out)
            yield world
        finally:
            await world.close()
            await asyncio.gather(*(server.kill() for server in (world.home, world.away, world.out)))


def parsed(body: str | bytes) -> Json:
    """An object of JSON."""
    found = json.loads(body)
    assert isinstance(found, dict)
    return found
