"""Who may reach whom, and which rooms may be: what people do, and what the homeserver answers.

Each scenario is a line: a name, what somebody does, and the answer (status, Matrix code, our reason).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

from deploy.world.waiting import wait_for
from tests.policy.far_world import MEGOLM, Answer, PolicyWorld, Someone

Short = tuple[int, str, str]
Scene = Callable[["Cast"], Awaitable[Answer]]

GOOD: Short = (200, "", "")


def no(reason: str, code: str = "M_FORBIDDEN", status: int = 403) -> Short:
    """A refusal of the module."""
    return status, code, reason


DENIED = no("")
"""Synapse's own word for a server that is not on the list: no callback is asked there."""
MSC4155, CONTACT = "org.matrix.msc4155.invite_permission_config", "fr.liaison.contact"
NOT_LISTED, BLOCKED = no("server_not_listed"), no("not_accepting", "M_INVITE_BLOCKED")


class Cast:
    """ben, kim and ext at home, ada away, eve on the server that is not listed; a ghost and a mailbox of the hub."""

    def __init__(self, world: PolicyWorld) -> None:
        self.world = world
        self.home, self.away, self.out = world.home.name, world.away.name, world.out.name

    async def gather(self) -> Cast:
        world = self.world
        self.ben, self.kim = await world.someone(world.home, "ben"), await world.someone(world.home, "kim")
        self.ext = await world.someone(world.home, "ext_leo")
        self.ada, self.eve = await world.someone(world.away, "ada"), await world.someone(world.out, "eve")
        self.doctor = await world.ghost("rpps_10001234567")
        self.mailbox = await world.ghost("mss_anna=40mss-a.test")
        self.duty = await world.ghost("rpps_function_cardio")
        return self

    async def shared(self) -> str:
        """A room at home with ada in it."""
        room = await self.ben.room(invite=[self.ada.mxid])
        assert (await self.ada.join(room, self.home)).status == 200
        return room


def named(name: str) -> Scene:
    async def scene(c: Cast) -> Answer:
        return await c.ben.state(await c.ben.room(), "m.room.name", {"name": name})

    return scene


def made(**body: Any) -> Scene:
    return lambda c: c.ben.create(**body)


def set_to(kind: str, **content: Any) -> Scene:
    async def scene(c: Cast) -> Answer:
        return await c.ben.state(await c.ben.room(), f"m.room.{kind}", content)

    return scene


def chosen(kind: str, content: Callable[[Cast], dict[str, Any]], who: str = "ada") -> Scene:
    """ben has chosen, then somebody invites him."""

    async def scene(c: Cast) -> Answer:
        assert (await c.ben.choose(kind, content(c))).status == 200
        inviter: Someone = getattr(c, who)
        return await inviter.invite_anew(c.ben.mxid)

    return scene


async def redacted(c: Cast, kind: str) -> Answer:
    room = await c.ben.room()
    state = (await c.ben.call("GET", f"/rooms/{room}/state")).body
    event = next(one["event_id"] for one in state if one["type"] == kind)  # type: ignore[index]
    return await c.ben.call("PUT", f"/rooms/{quote(room)}/redact/{quote(event)}/1", {})


async def upgraded(c: Cast, version: str, old: str = "11") -> Answer:
    room = await c.ben.room(room_version=old)
    return await c.ben.call("POST", f"/rooms/{quote(room)}/upgrade", {"new_version": version})


async def joined_by_alias(c: Cast, server: str, who: Someone) -> Answer:
    return await who.join(f"#nowhere:{server}")


async def knocked(c: Cast, who: Someone) -> Answer:
    room = await c.ben.room(initial_state=[state("join_rules", join_rule="knock")])
    return await who.knock(room, c.home)


async def restricted(c: Cast, who: Someone, inside: bool) -> Answer:
    """Whoever is in one room may enter another."""
    first = await c.ben.room(invite=[who.mxid] if who is not c.eve else [])
    if inside:
        assert (await who.join(first, c.home)).status == 200
    rule = state("join_rules", join_rule="restricted", allow=[{"type": "m.room_membership", "room_id": first}])
    return await who.join(await c.ben.room(initial_state=[rule]), c.home)


async def in_clear(c: Cast, who: Someone) -> Answer:
    return await who.send(await who.room(), "m.room.message", {"msgtype": "m.text", "body": "bonjour"})


async def asked_for_keys(asking: Someone, of: Someone) -> Answer:
    """What the other server said; one that is left alone for a moment, as it did not answer in time, is asked again."""

    async def asked() -> Answer | None:
        answer = await asking.call("POST", "/keys/query", {"device_keys": {of.mxid: []}})
        failed = answer.body["failures"].get(of.server.name, {})
        if failed.get("status") == 503:
            return None
        return Answer(failed.get("status", answer.status), failed if failed.get("errcode") else {})

    return await wait_for(asked, "an answer about keys")


async def to_device(c: Cast) -> Answer:
    """An EDU that never arrives: the other server refuses the transaction, as `out` hears at the next query."""
    content = {"messages": {c.ben.mxid: {"*": {"x": 1}}}}
    assert (await c.eve.call("PUT", "/sendToDevice/m.dummy/1", content)).status == 200
    return await asked_for_keys(c.eve, c.ben)


async def _join_of(c: Cast, who: Someone) -> Answer:
    """A server that nobody lets in says so in its own words: after one try, or after the first it is told of."""
    answer = await who.join(await c.ben.room(), c.home)
    denied = answer.status == 403 and "Federation denied" in str(answer.body.get("error"))
    return Answer(502, {"errcode": "M_UNKNOWN"}) if denied else answer


async def known(c: Cast) -> Answer:
    """ben and ada share a room."""
    await c.shared()
    return await chosen(CONTACT, lambda c: {"default": "known"})(c)


async def refused_in_creation(c: Cast) -> Answer:
    """Nothing is left behind: kim has as many rooms as before."""
    await c.ben.choose(CONTACT, {"default": "block"})
    before = await c.kim.rooms()
    answer = await c.kim.create(invite=[c.ada.mxid, c.ben.mxid])
    assert await c.kim.rooms() == before
    return answer


async def twice(c: Cast) -> Answer:
    """A choice that is made again is the same choice."""
    for _ in range(2):
        await c.ben.choose(MSC4155, {"blocked_users": [c.ada.mxid, c.ada.mxid]})
    return await c.ada.invite_anew(c.ben.mxid)


async def published(c: Cast) -> Answer:
    room = await c.ben.room()
    return await c.ben.call("PUT", f"/directory/list/room/{quote(room)}", {"visibility": "public"})


async def addressed(c: Cast, name: str) -> Answer:
    room = await c.ben.room()
    return await c.ben.call("PUT", f"/directory/room/{quote(f'#{name}:{c.home}')}", {"room_id": room})


async def said(c: Cast) -> Answer:
    return await c.ben.say(await c.shared())


async def invited_by_external(c: Cast) -> Answer:
    room = await c.ben.room(invite=[c.ext.mxid], power_level_content_override={"invite": 0})
    assert (await c.ext.join(room)).status == 200
    return await c.ext.invite(room, c.kim.mxid)


def state(kind: str, **content: Any) -> dict[str, Any]:
    return {"type": f"m.room.{kind}", "state_key": "", "content": content}


def hours(offset: int) -> dict[str, Any]:
    """A window of two hours around a moment that is ``offset`` hours from now."""
    then = datetime.now(UTC) + timedelta(hours=offset)
    begin, end = then - timedelta(hours=1), then + timedelta(hours=1)
    return {"from": f"{begin:%H:%M}", "until": f"{end:%H:%M}"}


SCENARIOS: dict[str, tuple[Scene, Short]] = {
    # -- the list
    "a colleague of the list is invited": (lambda c: c.ben.invite_anew(c.ada.mxid), GOOD),
    "and the other way": (lambda c: c.ada.invite_anew(c.ben.mxid), GOOD),
    "nobody of another server is invited": (lambda c: c.ben.invite_anew(c.eve.mxid), NOT_LISTED),
    "nor from the server before": (lambda c: c.ada.invite_anew(c.eve.mxid), NOT_LISTED),
    "nobody of another server invites": (lambda c: c.eve.invite_anew(c.ben.mxid), DENIED),
    "nor to the server before": (lambda c: c.eve.invite_anew(c.ada.mxid), DENIED),
    "a room with somebody of another server": (lambda c: c.ben.create(invite=[c.kim.mxid, c.eve.mxid]), NOT_LISTED),
    "a room with a server that nobody knows": (lambda c: c.ben.create(invite=["@x:nowhere.example"]), NOT_LISTED),
    "a room with a colleague of the list": (lambda c: c.ben.create(invite=[c.ada.mxid]), GOOD),
    "an alias of another server": (lambda c: joined_by_alias(c, c.out, c.ben), (502, "M_UNKNOWN", "")),
    "an alias of a listed server": (lambda c: joined_by_alias(c, c.away, c.ben), (404, "M_NOT_FOUND", "")),
    "a profile of another server": (lambda c: c.ben.call("GET", f"/profile/{c.eve.mxid}"), DENIED),
    "a profile of a listed server": (lambda c: c.ben.call("GET", f"/profile/{c.ada.mxid}"), GOOD),
    "a profile for another server": (lambda c: c.eve.call("GET", f"/profile/{c.ben.mxid}"), DENIED),
    "keys of another server": (lambda c: asked_for_keys(c.ben, c.eve), DENIED),
    "keys of a listed server": (lambda c: asked_for_keys(c.ben, c.ada), GOOD),
    "keys for another server": (lambda c: asked_for_keys(c.eve, c.ben), (403, "", "")),
    "messages for devices from another server": (to_device, (403, "", "")),
    "a join from another server": (lambda c: _join_of(c, c.eve), (502, "M_UNKNOWN", "")),
    "nobody is invited by mail address": (
        lambda c: c.ben.create(invite_3pid=[{"medium": "email", "address": "a@b.c", "id_server": "x"}]),
        no("invite_by_mail"),
    ),
    # -- what people choose
    "who blocks everybody": (chosen("m.invite_permission_config", lambda c: {"default_action": "block"}), BLOCKED),
    "who allows everybody": (chosen("m.invite_permission_config", lambda c: {"default_action": "allow"}), GOOD),
    "a blocked user": (chosen(MSC4155, lambda c: {"blocked_users": [c.ada.mxid]}), BLOCKED),
    "a blocked server": (chosen(MSC4155, lambda c: {"blocked_servers": [c.away]}), BLOCKED),
    "an exception of a blocked server": (
        chosen(MSC4155, lambda c: {"blocked_servers": [c.away], "allowed_users": [c.ada.mxid]}), GOOD
    ),
    "an ignored server": (chosen(MSC4155, lambda c: {"ignored_servers": ["localhost:*"]}), BLOCKED),
    "an ignored person": (chosen("m.ignored_user_list", lambda c: {"ignored_users": {c.ada.mxid: {}}}), BLOCKED),
    "an ignored colleague": (
        chosen("m.ignored_user_list", lambda c: {"ignored_users": {c.kim.mxid: {}}}, "kim"), BLOCKED
    ),
    "somebody else is ignored": (chosen("m.ignored_user_list", lambda c: {"ignored_users": {c.kim.mxid: {}}}), GOOD),
    "blocks all but a user": (chosen(CONTACT, lambda c: {"default": "block", "allow": {"users": [c.ada.mxid]}}), GOOD),
    "blocks all, and a colleague invites": (chosen(CONTACT, lambda c: {"default": "block"}, "kim"), BLOCKED),
    "blocks all but a server": (chosen(CONTACT, lambda c: {"default": "block", "allow": {"servers": [c.away]}}), GOOD),
    "out of hours": (chosen(CONTACT, lambda c: {"timezone": "UTC", "hours": [hours(5)]}), no("not_now", BLOCKED[1])),
    "within hours": (chosen(CONTACT, lambda c: {"timezone": "UTC", "hours": [hours(0)]}), GOOD),
    "out of hours, but named": (
        chosen(CONTACT, lambda c: {"timezone": "UTC", "hours": [hours(5)], "allow": {"users": [c.ada.mxid]}}), GOOD
    ),
    "a broken choice counts as none": (chosen(CONTACT, lambda c: {"default": "sometimes"}), GOOD),
    "a broken list counts as none": (chosen(MSC4155, lambda c: {"blocked_users": "ada"}), GOOD),
    "a stranger, and only known people are wanted": (chosen(CONTACT, lambda c: {"default": "known"}, "duty"), BLOCKED),
    "a known person": (lambda c: known(c), GOOD),
    "a refusal before the room exists": (lambda c: refused_in_creation(c), BLOCKED),
    "twice is once": (lambda c: twice(c), BLOCKED),
    # -- ghosts, by their names alone: this hub does not answer
    "a ghost invites": (lambda c: c.doctor.invite_anew(c.ben.mxid), GOOD),
    "a ghost is invited": (lambda c: c.ben.invite_anew(c.doctor.mxid), GOOD),
    "a ghost is blocked by name": (chosen(MSC4155, lambda c: {"blocked_users": [c.doctor.mxid]}, "doctor"), BLOCKED),
    "mailboxes of a domain are blocked": (
        chosen(MSC4155, lambda c: {"blocked_servers": ["mss-a.test"]}, "mailbox"), BLOCKED
    ),
    "other mailboxes are not": (chosen(MSC4155, lambda c: {"blocked_servers": ["mss-b.test"]}, "mailbox"), GOOD),
    "the hub's own server says nothing of a mailbox": (
        chosen(MSC4155, lambda c: {"blocked_servers": [c.home]}, "mailbox"), GOOD
    ),
    "a function is let in": (
        chosen(CONTACT, lambda c: {"default": "block", "allow": {"groups": ["function:cardio"]}}, "duty"), GOOD
    ),
    "another function is not": (
        chosen(CONTACT, lambda c: {"default": "block", "allow": {"groups": ["function:neuro"]}}, "duty"), BLOCKED
    ),
    "no mailboxes at all": (chosen(CONTACT, lambda c: {"block": {"groups": ["kind:mailbox"]}}, "mailbox"), BLOCKED),
    # -- rooms
    "a public room": (made(preset="public_chat"), no("public_room")),
    "a room in the public list": (made(visibility="public"), no("public_room")),
    "a room of version 9": (made(room_version="9"), no("room_version", "M_UNSUPPORTED_ROOM_VERSION", 400)),
    "a room of version 10": (made(room_version="10"), GOOD),
    "a room of version 12": (made(room_version="12"), GOOD),
    "other encryption": (made(initial_state=[state("encryption", algorithm="rot13")]), no("not_encrypted")),
    "a readable history": (made(initial_state=[state("history_visibility", history_visibility="world_readable")]),
                           no("world_readable")),
    "guests": (made(initial_state=[state("guest_access", guest_access="can_join")]), no("guest_access")),
    "everybody an administrator": (made(power_level_content_override={"users_default": 100}), no("power_levels")),
    "encryption for everybody": (
        made(power_level_content_override={"events": {"m.room.encryption": 0}}), no("power_levels")
    ),
    "levels of the hub's rooms": (made(power_level_content_override={"invite": 0, "users_default": 50}), GOOD),
    "a patient in the name of a new room": (made(name="Mme DURAND Marie"), no("patient_data")),
    "a patient in the topic of a new room": (made(topic="DDN 03/04/1950"), no("patient_data")),
    "a patient in the address of a new room": (made(room_alias_name="dupont_ne_le_03-04-1950"), no("patient_data")),
    "encryption is turned off": (set_to("encryption"), no("not_encrypted")),
    "encryption is set again": (set_to("encryption", **MEGOLM["content"]), GOOD),
    "encryption is erased": (lambda c: redacted(c, "m.room.encryption"), no("protected_event")),
    "the join rule is erased": (lambda c: redacted(c, "m.room.join_rules"), no("protected_event")),
    "made public later": (set_to("join_rules", join_rule="public"), no("public_room")),
    "an unknown join rule": (set_to("join_rules", join_rule="lottery"), no("join_rule")),
    "made readable later": (set_to("history_visibility", history_visibility="world_readable"), no("world_readable")),
    "opened to guests later": (set_to("guest_access", guest_access="can_join"), no("guest_access")),
    "weakened by power levels": (set_to("power_levels", events={"m.room.encryption": 10}), no("power_levels")),
    "a name": (named("Cardiologie, bâtiment B"), GOOD),
    "a name with a national number": (named("Suivi 2 55 08 14 168 025 38"), no("patient_data")),
    "a name with a pattern of the site": (named("Chambre 12"), no("patient_data")),
    "a topic with a patient": (set_to("topic", topic="M. DUPONT Jean né le 3/4/1950"), no("patient_data")),
    "a room for the public list": (lambda c: published(c), no("public_room")),
    "an address with a patient": (lambda c: addressed(c, "m_DUPONT_ne_le_03_04_1950"), no("patient_data")),
    "an address": (lambda c: addressed(c, "cardio"), GOOD),
    "an upgrade": (lambda c: upgraded(c, "12"), GOOD),
    "an upgrade to version 9": (lambda c: upgraded(c, "9"), no("room_version", "M_UNSUPPORTED_ROOM_VERSION")),
    # -- knock, restricted
    "a colleague of the list knocks": (lambda c: knocked(c, c.ada), GOOD),
    "a colleague knocks": (lambda c: knocked(c, c.kim), GOOD),
    "somebody of another server knocks": (lambda c: knocked(c, c.eve), DENIED),
    "restricted, and in the other room": (lambda c: restricted(c, c.ada, True), GOOD),
    "restricted, and not in the other room": (lambda c: restricted(c, c.ada, False), DENIED),
    "restricted, and of another server": (lambda c: restricted(c, c.eve, False), DENIED),
    # -- what is said
    "an encrypted message": (lambda c: said(c), GOOD),
    "a message in clear": (lambda c: in_clear(c, c.ben), no("clear_text")),
    "a message in clear at the server before": (lambda c: in_clear(c, c.ada), no("clear_text")),
    "the hub says something in clear": (lambda c: in_clear(c, c.doctor), GOOD),
    # -- accounts of people from outside
    "an external makes a room": (lambda c: c.ext.create(), no("external_user")),
    "an external is invited": (lambda c: c.ben.invite_anew(c.ext.mxid), GOOD),
    "an external invites": (lambda c: invited_by_external(c), no("external_user")),
}  # fmt: skip
