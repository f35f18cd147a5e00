"""The Matrix users of people: named from the directory only, with device and keys before anybody sees them."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import random
from collections.abc import Iterable
from typing import Any, Protocol

import orjson

from appservice.client.homeserver import Homeserver, MatrixRefused, part
from appservice.client.names import Names
from appservice.rooms.portrait import draw, look
from bridge.db import Database
from bridge.db.pages import pages
from bridge.errors import Refused, Unavailable
from bridge.model import MAIL, MATRIX, File, Person
from bridge.parts.failpoint import failpoint
from bridge.parts.lru import Lru
from bridge.parts.patience import Patience
from bridge.parts.shared import Shared
from bridge.parts.tasks import Tasks
from bridge.words import sentence

Json = dict[str, Any]
log = logging.getLogger(__name__)
_MEANS = {
    "homeserver_away": " (matrix.homeserver does not answer)",
    "homeserver_refuses_us": " (the homeserver does not know the as_token: the registration is missing or another)",
}
_PATIENCE = Patience(first=1.0, longest=60.0)  # while the homeserver makes none
_INTENDED, _REGISTERED, _READY = 0, 1, 2
_VOICE: Json = {"displayname": "Liaison"}
_LOOKS = 10_000  # pictures whose address is remembered until the next start
_PICTURE = 30.0  # s that its upload may take
RPPS_FIELD, MAIL_FIELD, ROLE_FIELD = "fr.liaison.rpps", "fr.liaison.mail", "fr.liaison.role"


class DeviceMaker(Protocol):
    """What the key engine does for a ghost."""

    async def ensure_device(self, ghost: str) -> str:
        """Make the ghost's device and publish its keys, once."""


def display_name(person: Person) -> str:
    """``Dr Anna Martin — Médecine générale (Lyon)``: the directory's words only, never somebody's address book.

    Who is in no directory is shown as they call themselves, with their address: ``Secrétariat (sec@chu.example)``.
    """
    role = f" — {person.profession}" if person.profession else ""
    name, box = person.name, mailbox(person)
    if box is not None and not person.listed:
        name = " ".join("".join(c if c.isprintable() else " " for c in name).split())
        name = box if name in ("", box) else f"{name} ({box})"
    state = "" if person.active else f" ({sentence('inactive', ' / ')})"
    return f"{name}{state}{role}" + (f" ({person.place})" if person.place else "")


def mailbox(person: Person) -> str | None:
    """The address by which a person without RPPS number is known."""
    return person.id.removeprefix(f"{MAIL}:") if person.id.startswith(f"{MAIL}:") else None


def profile(person: Person) -> dict[str, Any]:
    """The profile fields of a ghost (MSC4133, in Matrix 1.16: custom fields cost no room events)."""
    role = {"profession": person.profession, "place": person.place}
    box = mailbox(person)
    known = {MAIL_FIELD: box} if box is not None else {} if person.rpps is None else {RPPS_FIELD: person.rpps}
    return {"displayname": display_name(person), **known, ROLE_FIELD: role}


class Ghosts:
    """``ensure`` makes a ghost; what is done is remembered, what is under way is shared."""

    def __init__(self, db: Database, homeserver: Homeserver, names: Names, devices: DeviceMaker, parallel: int) -> None:
        self._db = db
        self._homeserver = homeserver
        self._names = names
        self._devices = devices
        self._known: dict[str, tuple[int, str]] = {}
        self._ready: dict[str, int] = {}  # the hash of the person as written
        self._making: Shared[str, str] = Shared("ghosts")
        self._parallel = parallel
        self._cold: dict[str, Person] = {}  # whom to make beforehand
        self._failures = 0  # since the last one that could be made
        self._told: set[str] = set()  # why some could not be prepared
        self._warming = Tasks("ghosts")
        self._fields = True
        self._looks: Lru[str, str] = Lru(_LOOKS)
        self._pictures = True

    async def start(self) -> None:
        """Load who is there already."""
        async for page in pages(self._db, "matrix.ghosts", ("",), ("mxid",)):
            self._known |= {r["mxid"]: (r["state"], r["profile"]) for r in page}

    async def stop(self) -> None:
        """Let go of what runs in the background; it is taken up again another time."""
        await self._warming.stop()
        await self._making.stop()

    async def ensure(self, person: Person) -> str:
        """The ghost of a person, ready to speak and to be spoken to. Raises Refused (no_ghost), Unavailable."""
        mxid = self._names.mxid(person)
        if self._ready.get(mxid) == hash(person):
            return mxid
        return await asyncio.shield(self._making.of(mxid, lambda: self._make(mxid, person)))

    async def voice(self) -> str:
        """The hub's own user, ready to speak. Raises Unavailable."""
        mxid = self._names.voice
        if mxid in self._ready:
            return mxid
        return await asyncio.shield(self._making.of(mxid, lambda: self._ensured(mxid, _VOICE, 0)))

    async def _make(self, mxid: str, person: Person) -> str:
        if self._known.get(mxid, (-1, ""))[0] < _READY:
            await self.register(mxid)
            await self._picture(mxid, person)
        return await self._ensured(mxid, profile(person), hash(person))

    async def portray(self, person: Person, picture: File | None) -> None:
        """Show this picture of somebody; None: their initials. Whoever has no ghost is shown by themselves.

        Raises Refused (bad_picture) for what the homeserver does not take, Unavailable.
        """
        mxid = self._names.of(person.id)
        if mxid is None or any(address.network == MATRIX for address in person.addresses):
            return
        if picture is None:
            if self.is_ready(mxid):
                await self._picture(mxid, person)
            return
        await self.ensure(person)
        try:
            url = await self._homeserver.upload(picture.data, user=mxid, timeout=_PICTURE, mime=picture.mime)
            path = f"/_matrix/client/v3/profile/{part(mxid)}/avatar_url"
            await self._homeserver.call("PUT", path, {"avatar_url": url}, user=mxid)
        except MatrixRefused as refusal:
            raise Refused("bad_picture", "picture") from refusal

    async def _picture(self, mxid: str, person: Person) -> None:
        """Initials on the colour of the profession, once, before anybody sees them: later each room would hear of it.

        A picture is uploaded once for all who look alike. Without it somebody can be written to all the same.
        """
        shown = look(person)
        if shown is None or not self._pictures:
            return
        try:
            url = self._looks.get(shown) or self._looks.put(shown, await self._upload(shown, mxid))
            path = f"/_matrix/client/v3/profile/{part(mxid)}/avatar_url"
            await self._homeserver.call("PUT", path, {"avatar_url": url}, user=mxid)
        except Refused as refusal:
            log.warning("this homeserver takes no pictures of professionals: %s", refusal)
            self._pictures = False
        except Unavailable as reason:
            log.info("%s has no picture: %s", mxid, reason.code)

    async def _upload(self, shown: str, mxid: str) -> str:
        return await self._homeserver.upload(draw(shown), user=mxid, timeout=_PICTURE, mime="image/png")

    async def _ensured(self, mxid: str, fields: Json, mark: int) -> str:
        wanted = digest(fields)
        await self.register(mxid)
        _, written = self._known[mxid]
        if written != wanted:
            await self._write_profile(mxid, fields)
        await self._devices.ensure_device(mxid)
        if self._known.get(mxid) != (_READY, wanted):
            await self._note(mxid, _READY, wanted)
        self._ready[mxid] = mark
        return mxid

    async def _note(self, mxid: str, state: int, digest: str) -> None:
        async with self._db.transaction("matrix.ghost") as tx:
            await tx.run("matrix.ghost", mxid, state, digest)
        self._known[mxid] = (state, digest)

    async def register(self, mxid: str) -> None:
        """Make the user, no more. Raises Unavailable."""
        if self._known.get(mxid, (-1, ""))[0] >= _REGISTERED:
            return
        await self._note(mxid, _INTENDED, "")
        failpoint("matrix.ghost-intended")
        await self._register(mxid)
        await self._note(mxid, _REGISTERED, "")

    async def _register(self, mxid: str) -> None:
        localpart = mxid[1:].partition(":")[0]
        body = {"type": "m.login.application_service", "username": localpart, "inhibit_login": True}
        try:
            await self._homeserver.call("POST", "/_matrix/client/v3/register", body)
        except MatrixRefused as refusal:
            if refusal.errcode != "M_USER_IN_USE":
                log.error("ALARM the homeserver does not register ghosts: %s", refusal)
                raise Unavailable("homeserver_refuses_ghosts") from refusal

    async def _write_profile(self, mxid: str, fields: Json) -> None:
        for name, value in fields.items():
            if name != "displayname" and not self._fields:
                continue
            path = f"/_matrix/client/v3/profile/{part(mxid)}/{part(name)}"
            try:
                await self._homeserver.call("PUT", path, {name: value}, user=mxid)
            except MatrixRefused as refusal:
                if name == "displayname":
                    raise Unavailable("homeserver_refuses_ghosts") from refusal
                log.warning("this homeserver has no custom profile fields: %s", refusal)
                self._fields = False

    # -- in the background ---------------------------------------------------------------------------------

    def warm(self, people: Iterable[Person], most: int | None = None) -> None:
        """Make these ghosts without being waited for, a few at once, again and again while the homeserver does not.

        ``most``: nobody new is made when there are so many; those who are there are called as they should be.
        """
        for person in people:
            mxid = self._names.of(person.id)
            if mxid is None or self._ready.get(mxid) == hash(person):
                continue
            if most is not None and mxid not in self._known and len(self._known) + len(self._cold) >= most:
                self._on_demand()
                continue
            if not person.active and mxid not in self._known:
                continue  # nobody has seen them
            if self._known.get(mxid) == (_READY, digest(profile(person))):
                self._ready[mxid] = hash(person)
            else:
                self._cold[mxid] = person
        for _ in range(min(len(self._cold), self._parallel - len(self._warming))):
            self._warming.start(self._warm())

    async def _warm(self) -> None:
        while self._cold:
            mxid = next(iter(self._cold))
            person = self._cold.pop(mxid)
            try:
                await self.ensure(person)
                if self._failures:
                    self._failures = 0
                    self._told.clear()
            except Refused as reason:
                self._tell(reason)
            except Unavailable as reason:
                self._tell(reason)
                self._cold.setdefault(mxid, person)  # the others first
                self._failures += 1
                await asyncio.sleep(_PATIENCE.backoff(self._failures // self._parallel, random.random))

    def _on_demand(self) -> None:
        if "on_demand" not in self._told:
            self._told.add("on_demand")
            log.info("there are more people than matrix.prepare: the others' users are made when they are looked for")

    def _tell(self, reason: Refused | Unavailable) -> None:
        if reason.code not in self._told:  # not once for each of thousands
            self._told.add(reason.code)
            more = _MEANS.get(reason.code, "")
            log.warning("ghosts cannot be prepared: %s%s; `liaison check` says more", reason, more)

    def is_ready(self, mxid: str) -> bool:
        """Whether this ghost has its device and keys."""
        return self._known.get(mxid, (-1, ""))[0] == _READY

    def is_fresh(self, mxid: str, person: Person) -> bool:
        """Whether this ghost has device and keys, and is called as the directory calls this person now."""
        return self._ready.get(mxid) == hash(person)

    def all(self) -> list[str]:
        """Every ghost that is ready."""
        return [mxid for mxid, (state, _) in self._known.items() if state == _READY]


def digest(fields: Json) -> str:
    """By which it is known that a profile has been written."""
    return hashlib.blake2b(orjson.dumps(fields), digest_size=8).hexdigest()
