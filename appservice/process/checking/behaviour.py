"""The lines of ``homeserver.liaison.yaml`` that a homeserver shows by what it does, whatever its files say."""

from __future__ import annotations

from typing import Any

import aiohttp
import orjson

from appservice.client.homeserver import Homeserver, MatrixRefused, part
from appservice.process.checking import abilities
from appservice.process.checking.findings import Finding, judged
from appservice.process.checking.probe import Probe
from appservice.process.checking.pushes import leave
from appservice.process.settings import MatrixSettings
from bridge.errors import Refused, Unavailable

Json = dict[str, Any]
_CLIENT = "/_matrix/client/v3"
_REPORTS = 7  # two more than an account may make at once where limits hold
_ANSWER = 15.0  # s


async def look(settings: MatrixSettings, homeserver: Homeserver, probe: Probe) -> list[Finding]:
    """What can be seen without a room."""
    try:
        return [
            await _profiles(settings, probe),
            await _colleagues(homeserver, probe),
            await _previews(homeserver, probe),
            await _presence(homeserver, probe),
            await _registration(settings),
            await _limits(homeserver, probe),
            await _uploads(homeserver, settings.max_files),
        ]
    except (Refused, Unavailable, aiohttp.ClientError, OSError, TimeoutError) as error:
        return [Finding(False, f"the homeserver's settings can be seen ({type(error).__name__})", "call again")]


async def look_at_a_room(homeserver: Homeserver, probe: Probe) -> list[Finding]:
    """What a new room shows; it is left again at once."""
    try:
        made = await homeserver.call("POST", f"{_CLIENT}/createRoom", {"preset": "private_chat"}, user=probe.ghost)
        room = str(made["room_id"])
        try:
            found = [await _encryption(homeserver, probe, room), await _state_after(homeserver, probe, room)]
            return found + await abilities.look_at_a_room(homeserver, probe, room)
        finally:
            await leave(homeserver, probe, room)
    except (Refused, Unavailable) as error:
        return [
            Finding(False, f"a ghost can make a room ({error})", "look at the homeserver's log: who may make rooms?")
        ]


async def _profiles(settings: MatrixSettings, probe: Probe) -> Finding:
    what = "profiles are for signed-in users only"
    status, _ = await _unsigned(settings, "GET", f"{_CLIENT}/profile/{part(probe.ghost)}")
    mend = "set require_auth_for_profile_requests: true in homeserver.yaml: RPPS numbers are not for everybody"
    return judged(status in (401, 403), what, mend)


async def _colleagues(homeserver: Homeserver, probe: Probe) -> Finding:
    what = "a colleague is seen before the first message"
    mend = "set limit_profile_requests_to_users_who_share_rooms: false in homeserver.yaml"
    refusal = await _refusal(homeserver, probe, f"{_CLIENT}/profile/{part(probe.other)}")
    return judged(refusal is None or refusal.status != 403, what, mend)


async def _previews(homeserver: Homeserver, probe: Probe) -> Finding:
    """Without an address nothing is fetched: where previews are on, the missing address is the complaint."""
    refusal = await _refusal(homeserver, probe, "/_matrix/client/v1/media/preview_url")
    off = refusal is not None and (refusal.status == 404 or refusal.errcode in ("M_UNRECOGNIZED", "M_FORBIDDEN"))
    mend = "set url_preview_enabled: false in homeserver.yaml: the text of a message leaves by way of a preview"
    return judged(off, "no previews of links are fetched", mend)


async def _presence(homeserver: Homeserver, probe: Probe) -> Finding:
    path = f"{_CLIENT}/presence/{part(probe.ghost)}/status"
    try:
        await homeserver.call("PUT", path, {"presence": "online"}, user=probe.ghost)
        shown = (await homeserver.call("GET", path, user=probe.ghost)).get("presence")
        await homeserver.call("PUT", path, {"presence": "offline"}, user=probe.ghost)
    except MatrixRefused:
        shown = None
    mend = "set presence: {enabled: false} in homeserver.yaml: it costs traffic, and is nobody's business here"
    return judged(shown != "online", "nobody's presence is told", mend)


async def _registration(settings: MatrixSettings) -> Finding:
    status, _ = await _unsigned(settings, "POST", f"{_CLIENT}/register")
    mend = "set enable_registration: false in homeserver.yaml: accounts come from the site's own sign-on"
    return judged(status != 401, "nobody registers by themselves", mend)


async def _limits(homeserver: Homeserver, probe: Probe) -> Finding:
    """Reports of a user who is not there: nothing is kept of them, and they are counted."""
    server = probe.ghost.partition(":")[2]
    path = f"{_CLIENT}/users/{part(f'@liaison-check-nobody:{server}')}/report"
    limited = False
    for _ in range(_REPORTS):
        try:
            await homeserver.call("POST", path, {"reason": "liaison check"}, user=probe.ghost)
        except MatrixRefused:
            pass
        except Unavailable as reason:
            limited |= reason.code == "homeserver_rate_limit"
    mend = "rate_limited: false belongs into the registration: register anew with `liaison registration`"
    return judged(not limited, "the hub's calls are not limited", mend)


async def _uploads(homeserver: Homeserver, most: int) -> Finding:
    """Encrypted files are as large as they are."""
    try:
        size = (await homeserver.call("GET", "/_matrix/client/v1/media/config")).get("m.upload.size")
    except MatrixRefused:
        size = None
    what = f"files of {most} bytes are taken (matrix.max_files)"
    mend = f"it takes {size} bytes: raise max_upload_size in homeserver.yaml, or lower matrix.max_files"
    return judged(not isinstance(size, int) or size >= most, what, mend)


async def _encryption(homeserver: Homeserver, probe: Probe, room: str) -> Finding:
    refusal = await _refusal(homeserver, probe, f"{_CLIENT}/rooms/{part(room)}/state/m.room.encryption")
    mend = "set encryption_enabled_by_default_for_room_type: invite in homeserver.yaml: the hub leaves rooms in clear"
    return judged(refusal is None, "new rooms are encrypted by default", mend)


async def _state_after(homeserver: Homeserver, probe: Probe, room: str) -> Finding:
    """MSC4222, by its unstable and its stable name."""
    query = {
        "timeout": "0", "set_presence": "offline", "full_state": "true",
        "org.matrix.msc4222.use_state_after": "true", "use_state_after": "true",
    }  # fmt: skip
    answer = await homeserver.call("GET", f"{_CLIENT}/sync", user=probe.ghost, device=probe.device, query=query)
    shown = answer.get("rooms", {}).get("join", {}).get(room, {})
    mend = "set experimental_features.msc4222_enabled: true in homeserver.yaml: clients may miss what is said"
    good = "org.matrix.msc4222.state_after" in shown or "state_after" in shown
    return judged(good, "clients are told the state after a sync (MSC4222)", mend)


async def _refusal(homeserver: Homeserver, probe: Probe, path: str) -> MatrixRefused | None:
    try:
        await homeserver.call("GET", path, user=probe.ghost)
    except MatrixRefused as refusal:
        return refusal
    return None


async def _unsigned(settings: MatrixSettings, method: str, path: str) -> tuple[int, Json]:
    """A call of anybody."""
    url = settings.url.rstrip("/") + path
    body: Json | None = {} if method == "POST" else None
    async with (
        aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=_ANSWER)) as session,
        session.request(method, url, json=body) as response,
    ):
        raw = await response.read()
        try:
            answer = orjson.loads(raw)
        except ValueError:
            answer = {}
        return response.status, answer if isinstance(answer, dict) else {}
