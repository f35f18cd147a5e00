"""``python -m deploy.bench.peers.bridge -n -c FILE``: a whole bridge of mautrix-python, with its database and its keys.

Made of the library's parts as its bridges are: ``Bridge``, ``BaseMatrixHandler``, ``BasePortal``, ``BasePuppet``,
``BaseUser``, end-to-bridge encryption with one device of the bridge's bot (libolm), all tables in one database, a row
for each message so that none is bridged twice. The network on the other side speaks as the bench's product does: it
posts messages, and gets webhooks. The row of a message is written after it was sent, as there; what waits is in memory.

It imports nothing of ours: it runs in an environment of its own.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any, ClassVar

import aiohttp
import orjson
from aiohttp import web
from mautrix.bridge import BaseBridgeConfig, BaseMatrixHandler, BasePortal, BasePuppet, BaseUser, Bridge
from mautrix.types import EventID, EventType, MessageEventContent, MessageType, RoomID, TextMessageEventContent, UserID
from mautrix.util import background_task
from mautrix.util.async_db import Connection, Database, UpgradeTable

Json = dict[str, Any]
upgrades = UpgradeTable()
_TELL = 0.1  # s in which states are gathered, as the hub does


@upgrades.register(description="Everything")  # type: ignore[call-arg, arg-type, untyped-decorator]
async def upgrade_v1(conn: Connection) -> None:
    """The tables of a small bridge."""
    await conn.execute("CREATE TABLE portal (chat TEXT PRIMARY KEY, mxid TEXT UNIQUE, encrypted BOOLEAN NOT NULL)")
    await conn.execute("CREATE TABLE puppet (ident TEXT PRIMARY KEY, is_registered BOOLEAN NOT NULL)")
    await conn.execute(
        "CREATE TABLE message (mxid TEXT NOT NULL, mx_room TEXT NOT NULL, ident TEXT NOT NULL, chat TEXT NOT NULL,"
        " sender TEXT NOT NULL, timestamp BIGINT NOT NULL, PRIMARY KEY (ident, chat), UNIQUE (mxid, mx_room))"
    )


class Config(BaseBridgeConfig):
    """As it is written by the bench."""


class Puppet(BasePuppet):
    """Somebody of the network."""

    by_ident: ClassVar[dict[str, Puppet]] = {}
    here: Peer

    def __init__(self, ident: str, is_registered: bool = False) -> None:
        super().__init__()
        self.ident, self.is_registered = ident, is_registered
        self.default_mxid = self.here.mxid(ident)  # type: ignore[no-untyped-call]
        self.custom_mxid = None
        self.default_mxid_intent = self.here.az.intent.user(self.default_mxid)
        self.intent = self.default_mxid_intent

    async def save(self) -> None:
        """Upsert."""
        query = (
            "INSERT INTO puppet (ident, is_registered) VALUES ($1, $2)"
            " ON CONFLICT (ident) DO UPDATE SET is_registered=excluded.is_registered"
        )
        await self.here.db.execute(query, self.ident, self.is_registered)

    @classmethod
    async def get(cls, ident: str) -> Puppet:
        """Known, stored, or new."""
        if (known := cls.by_ident.get(ident)) is not None:
            return known
        row = await cls.here.db.fetchrow("SELECT is_registered FROM puppet WHERE ident=$1", ident)
        return cls.by_ident.setdefault(ident, cls(ident, bool(row and row["is_registered"])))

    @classmethod
    async def get_by_mxid(cls, mxid: UserID) -> Puppet | None:  # type: ignore[override]
        """By the ghost."""
        ident = cls.here.ident(mxid)  # type: ignore[no-untyped-call]
        return None if ident is None else await cls.get(ident)

    @classmethod
    async def get_by_custom_mxid(cls, mxid: UserID) -> Puppet | None:  # type: ignore[override]
        """Nobody has one."""
        return None


class User(BaseUser):
    """Somebody of Matrix, logged in to the network."""

    by_mxid: ClassVar[dict[UserID, User]] = {}

    def __init__(self, mxid: UserID) -> None:
        self.mxid, self.is_whitelisted, self.is_admin = mxid, True, False
        super().__init__()

    async def is_logged_in(self) -> bool:
        """Everybody is."""
        return True

    async def get_puppet(self) -> Puppet | None:
        """No double puppet."""
        return None

    async def get_portal_with(self, puppet: BasePuppet, create: bool = True) -> BasePortal | None:
        """Chats begin in the network."""
        return None


class Portal(BasePortal):
    """A chat and its room."""

    by_chat: ClassVar[dict[str, Portal]] = {}
    by_mxid: ClassVar[dict[RoomID, Portal]] = {}
    here: Peer

    def __init__(self, chat: str, mxid: RoomID | None = None, encrypted: bool = True) -> None:
        super().__init__()
        self.chat, self.mxid, self.encrypted = chat, mxid, encrypted
        self.is_direct, self.name = True, None
        self.az, self.matrix, self.bridge, self.loop = self.here.az, self.here.matrix, self.here, self.here.loop
        self._lock = asyncio.Lock()
        self.log = self.log.getChild(chat)
        self.by_chat[chat] = self
        if mxid is not None:
            self.by_mxid[mxid] = self

    @classmethod
    async def get(cls, chat: str) -> Portal:
        """Known, stored, or new."""
        async with cls._async_get_locks[chat]:
            if (known := cls.by_chat.get(chat)) is not None:
                return known
            row = await cls.here.db.fetchrow("SELECT mxid, encrypted FROM portal WHERE chat=$1", chat)
            return cls(chat) if row is None else cls(chat, row["mxid"], row["encrypted"])

    async def save(self) -> None:
        """Upsert."""
        query = (
            "INSERT INTO portal (chat, mxid, encrypted) VALUES ($1, $2, $3)"
            " ON CONFLICT (chat) DO UPDATE SET mxid=excluded.mxid, encrypted=excluded.encrypted"
        )
        await self.here.db.execute(query, self.chat, self.mxid, self.encrypted)

    async def delete(self) -> None:
        """Not in the bench."""

    async def get_dm_puppet(self) -> Puppet | None:
        """Nobody in particular."""
        return None

    @property
    def bridge_info_state_key(self) -> str:
        """See mautrix."""
        return f"bench://{self.chat}"

    @property
    def bridge_info(self) -> Json:
        """See mautrix."""
        return {"bridgebot": self.az.bot_mxid, "channel": {"id": self.chat}}

    # ---- in

    async def handle_remote_message(self, said: Json) -> None:
        """A message of the network: once, in the order in which they came."""
        puppet = await Puppet.get(said["sender"])
        async with self._lock:
            known = "SELECT mxid FROM message WHERE ident=$1 AND chat=$2"
            if await self.here.db.fetchval(known, said["id"], self.chat) is not None:
                return
            if self.mxid is None:
                await self._create(puppet, said["to"])
            assert self.mxid is not None
            await puppet.intent.ensure_joined(self.mxid)
            content = TextMessageEventContent(msgtype=MessageType.TEXT, body=said["text"])
            event_id = await self._send_message(puppet.intent, content)
            await self._noted(event_id, said["id"], puppet.default_mxid)
        self.here.delivered(said["id"])

    async def _create(self, puppet: Puppet, to: list[str]) -> None:
        state = {"type": str(EventType.ROOM_ENCRYPTION), "content": self.get_encryption_state_event_json()}
        invitees = [UserID(to[0].partition(":")[2]), self.az.bot_mxid]
        room = await puppet.intent.create_room(is_direct=True, initial_state=[state], invitees=invitees)
        self.mxid = room
        self.by_mxid[room] = self
        await self.save()
        await self.az.intent.ensure_joined(room)
        await self.here.came(room, invitees[0])

    async def _noted(self, event_id: EventID, ident: str, sender: UserID) -> None:
        await self.here.db.execute(
            "INSERT INTO message (mxid, mx_room, ident, chat, sender, timestamp) VALUES ($1, $2, $3, $4, $5, $6)",
            event_id, self.mxid, ident, self.chat, sender, 0,
        )  # fmt: skip

    # ---- out

    async def handle_matrix_message(self, sender: BaseUser, message: MessageEventContent, event_id: EventID) -> None:
        """A message of Matrix, handed to the network."""
        data: Json = {"text": message.body, "conversation": self.chat, "sender": sender.mxid, "files": []}
        async with self._lock:
            await self.here.post(event_id, "message.created", data)
            await self._noted(event_id, event_id, sender.mxid)


class MatrixHandler(BaseMatrixHandler):
    """As the bridges have it."""

    def __init__(self, bridge: Bridge) -> None:
        prefix, _, suffix = bridge.config["bridge.username_template"].partition("{userid}")
        self.user_id_prefix = f"@{prefix}"
        self.user_id_suffix = f"{suffix}:{bridge.config['homeserver.domain']}"
        super().__init__(bridge=bridge)


class Peer(Bridge):
    """The bridge, and the network's own side of it."""

    module, name, command, version = "bench", "bench", "bench", "1"
    description, repo_url, markdown_version = "", "", ""
    config_class, matrix_class, upgrade_table = Config, MatrixHandler, upgrades
    db: Database

    @property
    def base_config_path(self) -> str:
        """The very configuration: there is no older one."""
        return str(self.args.config)

    def prepare_bridge(self) -> None:
        """See mautrix."""
        super().prepare_bridge()
        Portal.here = Puppet.here = self
        prefix, suffix = self.matrix.user_id_prefix, self.matrix.user_id_suffix
        self.mxid = lambda ident: UserID(f"{prefix}{ident}{suffix}")
        self.ident = lambda user: (
            user[len(prefix) : -len(suffix)] if user.startswith(prefix) and user.endswith(suffix) else None
        )
        self._told: list[str] = []
        self._telling: asyncio.TimerHandle | None = None

    async def start(self) -> None:
        """The network's side, once Matrix's is there."""
        await super().start()
        self._http = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=64))
        app = web.Application()
        app.router.add_post("/connect/v1/messages", self._message)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", self.config["network.port"]).start()

    async def _message(self, request: web.Request) -> web.Response:
        said = orjson.loads(await request.read())
        portal = await Portal.get(said["conversation"])
        background_task.create(portal.handle_remote_message(said))
        return web.Response(body=b"{}", status=202, content_type="application/json")

    async def post(self, ident: str, kind: str, data: Json) -> None:
        """One webhook."""
        body = orjson.dumps({"type": kind, "data": data})
        headers = {"Content-Type": "application/json", "webhook-id": ident}
        async with self._http.post(self.config["network.webhook"], data=body, headers=headers) as answer:
            answer.raise_for_status()
            await answer.read()

    def delivered(self, ident: str) -> None:
        """A message is in its room: told with others."""
        self._told.append(ident)
        if self._telling is None:
            self._telling = self.loop.call_later(_TELL, self._tell)

    def _tell(self) -> None:
        told, self._told, self._telling = self._told, [], None
        states = [{"id": ident, "state": "delivered"} for ident in told]
        background_task.create(self.post(f"states {told[0]}", "message.state", {"messages": states}))

    async def came(self, room: RoomID, user: UserID) -> None:
        """Wait until somebody is in a room: keys are for those who are there."""
        while not await self.az.state_store.is_joined(room, user):  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.02)

    # ---- what mautrix asks

    async def get_user(self, user_id: UserID, create: bool = True) -> User | None:
        """Whoever is no ghost."""
        if self.is_bridge_ghost(user_id) or user_id == self.az.bot_mxid:
            return None
        return User.by_mxid.get(user_id) or User.by_mxid.setdefault(user_id, User(user_id))

    async def get_portal(self, room_id: RoomID) -> Portal | None:
        """By its room."""
        if (known := Portal.by_mxid.get(room_id)) is not None:
            return known
        row = await self.db.fetchrow("SELECT chat FROM portal WHERE mxid=$1", room_id)
        return None if row is None else await Portal.get(row["chat"])

    async def get_puppet(self, user_id: UserID, create: bool = False) -> Puppet | None:
        """By the ghost."""
        return await Puppet.get_by_mxid(user_id)

    async def get_double_puppet(self, user_id: UserID) -> Puppet | None:
        """Nobody has one."""
        return None

    def is_bridge_ghost(self, user_id: UserID) -> bool:
        """Whether it is one of ours."""
        return self.ident(user_id) is not None  # type: ignore[no-untyped-call]

    async def count_logged_in_users(self) -> int:
        """All are."""
        return 1


if __name__ == "__main__":
    logging.captureWarnings(True)
    Peer().run()
