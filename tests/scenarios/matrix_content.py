"""What a Matrix client sends for everything that is more than text: the type and the content of the event."""

from __future__ import annotations

from typing import Any

from tests.scenarios.ends import Deed

Json = dict[str, Any]
_POLL = "org.matrix.msc3381.poll"
_TEXT = "org.matrix.msc1767.text"
_SDP = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n"


def content(deed: Deed) -> tuple[str, Json] | None:
    """None for what is a text, or has a file."""
    maker = _MAKERS.get(deed.verb)
    return None if maker is None else maker(deed)


def _location(deed: Deed) -> tuple[str, Json]:
    uri = "geo:45.76043,4.83567;u=12"
    place = {"uri": uri, "description": deed.text}
    said = {"msgtype": "m.location", "body": f"{deed.text} {uri}", "geo_uri": uri}
    return "m.room.message", said | {
        "org.matrix.msc3488.location": place,
        "org.matrix.msc3488.asset": {"type": "m.pin"},
    }


def _poll(deed: Deed) -> tuple[str, Json]:
    answers = [{"id": f"a{n}", _TEXT: answer} for n, answer in enumerate(deed.answers, 1)]
    question = {_TEXT: deed.text, "body": deed.text, "msgtype": "m.text"}
    start = {"kind": f"{_POLL}.disclosed", "max_selections": 1, "question": question, "answers": answers}
    return f"{_POLL}.start", {f"{_POLL}.start": start, _TEXT: "\n".join([deed.text, *deed.answers])}


def _vote(deed: Deed) -> tuple[str, Json]:
    relation = {"rel_type": "m.reference", "event_id": deed.about}
    return f"{_POLL}.response", {f"{_POLL}.response": {"answers": [f"a{deed.words[0]}"]}, "m.relates_to": relation}


def _end(deed: Deed) -> tuple[str, Json]:
    relation = {"rel_type": "m.reference", "event_id": deed.about}
    return f"{_POLL}.end", {f"{_POLL}.end": {}, _TEXT: "Le sondage est terminé.", "m.relates_to": relation}


def _call(deed: Deed) -> tuple[str, Json]:
    offer = {"type": "offer", "sdp": _SDP}
    return "m.call.invite", {"call_id": deed.id, "party_id": "P", "version": "1", "lifetime": 60_000, "offer": offer}


def _unknown(deed: Deed) -> tuple[str, Json]:
    if "event" in deed.words:  # a type of event that nobody knows, with a text for those (MSC1767)
        return "org.example.observation", {_TEXT: deed.text, "org.example.observation": {"value": 5.9}}
    return "m.room.message", {"msgtype": "org.example.observation", "body": deed.text, "value": 5.9}


def _mute(deed: Deed) -> tuple[str, Json]:
    return "org.example.mute", {"org.example.mute": {"value": 5.9}}


_MAKERS = {
    "location": _location, "poll": _poll, "vote": _vote, "end": _end, "call": _call, "unknown": _unknown, "mute": _mute,
}  # fmt: skip
