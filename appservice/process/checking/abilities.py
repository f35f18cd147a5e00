"""What a homeserver of any make has to be able to do for ghosts with keys, and what stops working if it cannot.

Each is tried, as /versions does not say. Sources: Matrix 1.17 (MSC4190, MSC4326), MSC2409, MSC3202, MSC2659.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from typing import Any

from appservice.client.homeserver import Homeserver, MatrixRefused, may, part
from appservice.e2ee.identity import sample_keys
from appservice.e2ee.signing import read_listing
from appservice.process.checking.findings import Finding, bad, judged, remark
from appservice.process.checking.probe import Probe
from bridge.errors import Refused, Unavailable

Json = dict[str, Any]
_CLIENT = "/_matrix/client/v3"
_TYPE = "fr.liaison.check"
_BEHIND = (0.1, 0.3, 0.6, 1.0)  # s between looks at what was just written
_SYNCS = 4


async def look(homeserver: Homeserver, probe: Probe) -> list[Finding]:
    """What can be seen without a room."""
    looks = (
        (_speaks_as_device, "a ghost speaks as its device"),
        (_has_keys, "a ghost's keys are taken and served"),
        (_own_data, "the hub keeps its place in account data"),
        (_media, "files are fetched by who may read them"),
    )
    return [finding for one, what in looks for finding in await _tried(one, what, homeserver, probe)]


Look = Callable[[Homeserver, Probe], Awaitable[list[Finding]]]


async def _tried(one: Look, what: str, homeserver: Homeserver, probe: Probe) -> list[Finding]:
    """A call that fails otherwise than a look expects is a finding, too."""
    try:
        return await one(homeserver, probe)
    except (Refused, Unavailable) as error:
        said = str(error) if isinstance(error, MatrixRefused) else error.code
        return [bad(f"{what} ({said})", "the homeserver fails at this: see its log, or update it")]


async def _speaks_as_device(homeserver: Homeserver, probe: Probe) -> list[Finding]:
    me = await homeserver.call("GET", f"{_CLIENT}/account/whoami", user=probe.ghost, device=probe.device)
    mend = (
        "it does not take device_id beside user_id (MSC4326, Matrix 1.17): no ghost has keys, so nothing encrypted is "
        "sent or read, and what is sent again is there twice: use a homeserver that does (Synapse does)"
    )
    return [judged(me.get("device_id") == probe.device, "a ghost speaks as its device (MSC4326)", mend)]


async def _has_keys(homeserver: Homeserver, probe: Probe) -> list[Finding]:
    keys, what = sample_keys(probe.ghost, probe.device), "a ghost's device has keys"
    mend = "it takes no keys from an application service: nobody could encrypt for a ghost: update the homeserver"
    try:
        await _post(homeserver, probe, "keys/upload", keys.device)
    except MatrixRefused as refusal:
        return [bad(f"{what} ({refusal})", mend)]
    found = [judged(await _served(homeserver, probe, signed=False), what, mend)]
    found.append(await _cross_signed(homeserver, probe, keys.cross_signing, keys.signatures))
    return [*found, *await _inbox(homeserver, probe)]


async def _cross_signed(homeserver: Homeserver, probe: Probe, cross: Json, signatures: Json) -> Finding:
    what = "a ghost's device is signed by its owner's keys (MSC4190)"
    mend = (
        "it wants a password for cross-signing keys, or drops them: clients warn of every message, and those that "
        "trust signed devices only read none: an application service needs no password (MSC4190, Matrix 1.17)"
    )
    try:
        await _post(homeserver, probe, "keys/device_signing/upload", cross)
        await _post(homeserver, probe, "keys/signatures/upload", signatures)
    except MatrixRefused as refusal:
        return bad(f"{what} ({refusal})", mend)
    except Unavailable as reason:  # Synapse without a user session answers 401 without an error's name
        return bad(f"{what} ({reason.code})", mend)
    return judged(await _served(homeserver, probe, signed=True), what, mend)


async def _served(homeserver: Homeserver, probe: Probe, *, signed: bool) -> bool:
    """Looked at again for a while: of a homeserver of many processes one may be behind another."""
    for pause in (*_BEHIND, 0.0):
        answer = await _post(homeserver, probe, "keys/query", {"device_keys": {probe.ghost: []}})
        device = read_listing(probe.ghost, answer, None).devices.get(probe.device)
        if device is not None and (device.signed or not signed):
            return True
        await asyncio.sleep(pause)
    return False


async def _inbox(homeserver: Homeserver, probe: Probe) -> list[Finding]:
    """A message from the device to itself, and what else stands beside it in /sync."""
    nonce, body = secrets.token_hex(8), "a room key that is sent to a ghost is in its /sync"
    path = f"{_CLIENT}/sendToDevice/{_TYPE}/{nonce}"
    message = {"messages": {probe.ghost: {probe.device: {"nonce": nonce}}}}
    await homeserver.call("PUT", path, message, user=probe.ghost, device=probe.device)
    query, came = {"timeout": "500", "set_presence": "offline"}, False
    answer: Json = {}
    for _ in range(_SYNCS):
        answer = await homeserver.call("GET", f"{_CLIENT}/sync", user=probe.ghost, device=probe.device, query=query)
        events = may(may(answer, "to_device", dict), "events", list)
        if came := any(isinstance(one, dict) and may(one, "content", dict).get("nonce") == nonce for one in events):
            break
        query["since"] = str(answer.get("next_batch"))
    mends = (
        "no key reaches a ghost: everything written to it stays unreadable: device messages have to be in /sync",
        "one-time keys are not counted in /sync: they run out, and new sessions share one fallback key",
        "it does not say whether the fallback key was used: the key is not changed (MSC2732, Matrix 1.2)",
    )
    counts = isinstance(answer.get("device_one_time_keys_count"), dict)
    unused = isinstance(answer.get("device_unused_fallback_key_types"), list)
    return [
        judged(came, body, mends[0]),
        judged(counts, "/sync counts a ghost's one-time keys", mends[1]),
        *([] if unused else [remark("/sync does not tell of fallback keys", mends[2])]),
    ]


async def _own_data(homeserver: Homeserver, probe: Probe) -> list[Finding]:
    what = "the hub keeps its place in account data"
    mend = (
        "its users have no account data: an older copy of the database is not recognised, encryption "
        "keys could be used twice, and what was encrypted to keys of after the copy is not read"
    )
    path, nonce = f"{_CLIENT}/user/{part(probe.ghost)}/account_data/{_TYPE}", secrets.token_hex(8)
    try:
        await homeserver.call("PUT", path, {"nonce": nonce}, user=probe.ghost)
        kept = (await homeserver.call("GET", path, user=probe.ghost)).get("nonce") == nonce
    except MatrixRefused as refusal:
        return [bad(f"{what} ({refusal})", mend)]
    return [judged(kept, what, mend)]


async def _media(homeserver: Homeserver, probe: Probe) -> list[Finding]:
    what = "files are fetched by who may read them (Matrix 1.11)"
    try:
        await homeserver.call("GET", "/_matrix/client/v1/media/config", user=probe.ghost)
    except MatrixRefused as refusal:
        return [bad(f"{what} ({refusal})", "it has no authenticated media: no file comes out of a room: update it")]
    return [Finding(True, what)]


async def look_at_a_room(homeserver: Homeserver, probe: Probe, room: str) -> list[Finding]:
    """What is sent again after a lost answer must be there once."""
    what, body = "what is sent a second time is there once", {"nonce": secrets.token_hex(8)}
    path = f"{_CLIENT}/rooms/{part(room)}/send/{_TYPE}/{secrets.token_hex(8)}"
    first, second = [
        (await homeserver.call("PUT", path, body, user=probe.ghost, device=probe.device)).get("event_id")
        for _ in range(2)
    ]
    mend = "it takes the same transaction id for a new event: after each lost answer a message is there twice"
    found = [judged(first == second, what, mend)]
    try:
        await homeserver.call("GET", f"/_matrix/client/v1/rooms/{part(room)}/threads", user=probe.ghost)
    except MatrixRefused:
        mend = "what was said in threads before a ghost came is not found when history is read (Matrix 1.4)"
        found.append(remark("it does not list the threads of a room", mend))
    return found


async def _post(homeserver: Homeserver, probe: Probe, path: str, body: Json) -> Json:
    return await homeserver.call("POST", f"{_CLIENT}/{path}", body, user=probe.ghost, device=probe.device)
