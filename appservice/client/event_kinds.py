"""Pure: polls, places, mentions and unknown events, to and from the contents of Matrix events.

Polls: MSC3381, in the unstable form that clients send today and in the stable one; the hub sends the unstable one.
Places: ``m.location`` of the specification with what MSC3488 adds. Texts of any event: MSC1767.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import orjson

from appservice.client.relations import related
from bridge.errors import Refused
from bridge.extras import MOST_ANSWERS, Choice, Location, Poll, Vote, located
from bridge.forms import wording
from bridge.model import Body, Delivery, Kind, Member
from bridge.parts.lines import one_name

Json = dict[str, Any]
LONGEST_CONTENT = 46_000  # bytes: encrypted and in base64 it must fit into an event of 65,536
URGENT = "fr.liaison.urgent"
POLL_START = "org.matrix.msc3381.poll.start"
POLL_RESPONSE = "org.matrix.msc3381.poll.response"
POLL_END = "org.matrix.msc3381.poll.end"
TEXT = "org.matrix.msc1767.text"
_MESSAGE = "org.matrix.msc1767.message"
_PLACE, _ASSET = "org.matrix.msc3488.location", "org.matrix.msc3488.asset"
_STARTS, _VOTES, _ENDS = {POLL_START, "m.poll.start"}, {POLL_RESPONSE, "m.poll.response"}, {POLL_END, "m.poll.end"}
POLLS = frozenset(_STARTS | _VOTES | _ENDS)
_PLACES = {_PLACE, "m.location"}
_LONGEST = 500  # characters of a question, or of an answer
_LONGEST_ID = 128
_MOST_NAMED = 30  # users that one event names; where there are more, the whole room is


def text_of(content: Json) -> str:
    """The words of any event, for who does not know its type; empty: it has none."""
    for name in ("body", TEXT, "m.text", _MESSAGE):
        value = content.get(name)
        if isinstance(value, list):  # several representations: the plain one
            plain = [
                one for one in value if isinstance(one, dict) and one.get("mimetype", "text/plain") == "text/plain"
            ]
            value = plain[0].get("body") if plain else None
        if isinstance(value, str) and value.strip():
            return value
    return ""


def said_by(kind: str, content: Json) -> tuple[Kind, Body, str | None] | None:
    """What a poll's event, or a place, says, and the event that it is about; None for events of other types.

    Raises Refused (poll_not_carried, vote_not_carried, poll_end_not_carried) for what has no sense.
    """
    if kind in _STARTS:
        asked = _poll(content)
        return Kind.POLL, Body(wording.poll(asked), extra=asked), None
    if kind in _VOTES:
        return Kind.VOTE, Body(extra=_vote(content)), _about(content, "vote_not_carried")
    if kind in _ENDS:
        return Kind.POLL_END, Body(wording.ended()), _about(content, "poll_end_not_carried")
    if kind in _PLACES:
        return Kind.TEXT, _place(content), None
    return None


def _poll(content: Json) -> Poll:
    """MSC3381, "Starting a poll"."""
    start = content.get(POLL_START) or content.get("m.poll") or content.get("m.poll.start")
    start = start if isinstance(start, dict) else {}
    question = start.get("question")
    asked = one_name(text_of(question), _LONGEST) if isinstance(question, dict) else ""
    offered = start.get("answers")
    answers = [_choice(one) for one in (offered if isinstance(offered, list) else [])[:MOST_ANSWERS]]
    known = [one for one in answers if one is not None]
    if not asked or not known:
        raise Refused("poll_not_carried")
    most = start.get("max_selections")
    most = most if isinstance(most, int) and not isinstance(most, bool) and most > 0 else 1
    return Poll(asked, tuple(known), min(most, len(known)), not str(start.get("kind")).endswith("undisclosed"))


def _choice(one: Any) -> Choice | None:
    if not isinstance(one, dict):
        return None
    ident, text = one.get("id", one.get("m.id")), one_name(text_of(one), _LONGEST)
    return Choice(ident, text) if isinstance(ident, str) and 0 < len(ident) <= _LONGEST_ID and text else None


def _vote(content: Json) -> Vote:
    """MSC3381, "Responding to a poll"; what is no answer at all is a vote taken back."""
    said = content.get(POLL_RESPONSE) or content.get("m.poll.response")
    chosen = content.get("m.selections", said.get("answers") if isinstance(said, dict) else None)
    chosen = chosen if isinstance(chosen, list) else []
    return Vote(tuple(one for one in chosen[:MOST_ANSWERS] if isinstance(one, str) and len(one) <= _LONGEST_ID))


def _about(content: Json, otherwise: str) -> str:
    relation = content.get("m.relates_to")
    event = relation.get("event_id") if isinstance(relation, dict) else None
    if not isinstance(event, str):
        raise Refused(otherwise)
    return event


def _place(content: Json) -> Body:
    """A place as text that says it all, and as what it is. Raises Refused (kind_not_carried) without either."""
    more = content.get(_PLACE) or content.get("m.location")
    more = more if isinstance(more, dict) else content
    uri, label = content.get("geo_uri") or more.get("uri"), more.get("description")
    place = located(uri, one_name(label, _LONGEST) if isinstance(label, str) else "") if isinstance(uri, str) else None
    if place is not None:
        return Body(wording.location(place), extra=place)
    if text := text_of(content):
        return Body(text)
    raise Refused("kind_not_carried", about="m.location")


def named(content: Json) -> tuple[list[str], bool]:
    """Whom a message calls (MXIDs), and whether it calls the room (specification, "User and room mentions")."""
    mentions = content.get("m.mentions")
    if not isinstance(mentions, dict):
        return [], False
    users = mentions.get("user_ids")
    users = [user for user in users if isinstance(user, str)] if isinstance(users, list) else []
    return list(dict.fromkeys(users))[:_MOST_NAMED], mentions.get("room") is True


# ---- out


def to_event(delivery: Delivery) -> tuple[str, Json] | None:
    """The type and the content of a poll's event; None for what is ``m.room.message``."""
    body, about = delivery.body, delivery.reply_to
    if delivery.kind is Kind.POLL and isinstance(body.extra, Poll):
        return POLL_START, _to_poll(body.extra) | related(None, delivery.thread)
    if about is None:
        return None
    relation = {"m.relates_to": {"rel_type": "m.reference", "event_id": about.id}}
    if delivery.kind is Kind.VOTE and isinstance(body.extra, Vote):
        return POLL_RESPONSE, relation | {POLL_RESPONSE: {"answers": list(body.extra.answers)}}
    if delivery.kind is Kind.POLL_END:
        return POLL_END, relation | {POLL_END: {}, TEXT: body.text, "body": body.text}
    return None


def _to_poll(asked: Poll) -> Json:
    kind = "org.matrix.msc3381.poll." + ("disclosed" if asked.disclosed else "undisclosed")
    start = {
        "kind": kind,
        "max_selections": asked.most,
        "question": {TEXT: asked.question, "body": asked.question, "msgtype": "m.text"},
        "answers": [{"id": answer.id, TEXT: answer.text} for answer in asked.answers],
    }
    return {POLL_START: start, TEXT: wording.poll(asked), "m.mentions": {}}


def to_place(place: Location) -> Json:
    """What makes a text message one that shows a place."""
    shown = {"msgtype": "m.location", "geo_uri": place.geo, _ASSET: {"type": "m.pin"}}
    return shown | {_PLACE: {"uri": place.geo} | ({"description": place.label} if place.label else {})}


def to_mentions(delivery: Delivery, user: Callable[[Member], str | None]) -> Json:
    """``m.mentions``: whom the message calls; of an urgent one, everybody who gets it, so that clients ring."""
    body = delivery.body
    wanted = {m.person.id for m in delivery.recipients} if body.urgent or body.everybody else set(body.mentions)
    users = _users((m for m in delivery.members if m.person.id in wanted), user)
    few = users if len(users) <= _MOST_NAMED else []
    mentions: Json = {"user_ids": few} if few else {}
    return mentions | ({"room": True} if body.everybody or (body.urgent and not few) else {})


def to_named(content: Json, mentions: Json) -> Json:
    """The content that calls them; where there is no room for names in the event, the whole room is called."""
    said = content | {"m.mentions": mentions}
    if "m.new_content" in content:  # whoever was called before is not called again
        said = content | {"m.new_content": content["m.new_content"] | {"m.mentions": mentions}}
    if mentions and len(orjson.dumps(said)) > LONGEST_CONTENT:
        return content | {"m.mentions": {"room": True}}
    return said


def _users(members: Iterable[Member], user: Callable[[Member], str | None]) -> list[str]:
    return sorted({one for member in members if (one := user(member)) is not None})
