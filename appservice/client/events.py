"""Pure: the content of Matrix messages to and from our own (client-server API, "Instant messaging", "Threading")."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from html import escape
from typing import Any
from urllib.parse import quote

import nh3
import orjson

from appservice.client import event_kinds
from appservice.client.attachments import Attachment, describe
from appservice.client.file_events import said_of_file
from appservice.client.relations import related
from bridge.capabilities import MAX_TEXT, size
from bridge.errors import Refused
from bridge.extras import Location
from bridge.forms import wording
from bridge.model import MATRIX, Body, Delivery, File, GroupName, Kind, Ref
from bridge.parts.lines import one_name
from bridge.parts.markup import cheap
from bridge.words import sentence

Json = dict[str, Any]

STATUS = "com.beeper.message_send_status"
CONVERSATION = "fr.liaison.conversation"
SERVICE_MEMBERS = "io.element.functional_members"  # MSC4171, as clients know it
NAMED = "fr.liaison.named"  # the hub's message by which a hub named a room
OWN_WORDS = "fr.liaison.code"  # marks what a hub itself says: the code of its sentence
MEGOLM = "m.megolm.v1.aes-sha2"

_DECLINES = {
    "m.rtc.notification": "m.rtc.decline",
    "org.matrix.msc4075.rtc.notification": "org.matrix.msc4310.rtc.decline",
}
CALLS = ("m.call.invite", *_DECLINES)
_KINDS = {"m.text": Kind.TEXT, "m.notice": Kind.NOTICE, "m.emote": Kind.EMOTE}
_MSGTYPES = {kind: msgtype for msgtype, kind in _KINDS.items()}
_FILES = {"m.image", "m.file", "m.audio", "m.video"}
_OLD_CLIENTS_READ = 500  # characters of a correction, where a client does not know corrections
_LONGEST_KEY = 64  # characters of a reaction
_TAGS = {
    "del",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "blockquote",
    "p",
    "a",
    "ul",
    "ol",
    "sup",
    "sub",
    "li",
    "b",
    "i",
    "u",
    "strong",
    "em",
    "s",
    "code",
    "hr",
    "br",
    "div",
    "table",
    "thead",
    "tbody",
    "tr",
    "th",
    "td",
    "caption",
    "pre",
    "span",
    "details",
    "summary",
}  # the specification's list without img: a picture does not leave Matrix
_ATTRIBUTES = {"a": {"href"}, "ol": {"start"}, "code": {"class"}}
_SCHEMES = {"https", "http", "mailto", "tel"}


@dataclass(frozen=True, slots=True)
class Words:
    """What the hub itself says in a room: a sentence with its code, never content.

    ``about`` is the event that it answers, ``to`` the user whom it concerns; ``rings``: they are to be notified.
    ``replaces`` is an earlier event of the hub that now reads like this.
    """

    text: str
    code: str
    about: str | None = None
    to: str | None = None
    rings: bool = True
    replaces: str | None = None


@dataclass(frozen=True, slots=True)
class Said:
    """What a Matrix event says, in the hub's words. ``named``: the users (MXIDs) whom it calls; ``everybody``: all."""

    kind: Kind
    body: Body
    reply_to: Ref | None = None
    thread: Ref | None = None
    file: Attachment | None = None
    named: tuple[str, ...] = ()
    everybody: bool = False


def to_message(kind: str, content: Json) -> Said:
    """The clear type and content of an event. Raises Refused for what is not carried (never silently dropped)."""
    relation = _dict(content.get("m.relates_to"))
    if relation.get("rel_type") == "m.replace":
        new = _dict(content.get("m.new_content"))
        return _marked(_edit(new, relation), new)
    if kind in CALLS:
        return Said(Kind.CALL, Body(wording.call()))
    if kind == "m.reaction":
        return _reaction(relation)
    return _marked(_message(kind, content, relation), content)


def _marked(said: Said, content: Json) -> Said:
    """Whom it calls by name, and whether it is urgent."""
    users, everybody = event_kinds.named(content)
    urgent = content.get(event_kinds.URGENT) is True
    if not users and not everybody and said.body.urgent == urgent:
        return said
    return replace(said, named=tuple(users), everybody=everybody, body=replace(said.body, urgent=urgent))


def _message(kind: str, content: Json, relation: Json) -> Said:
    """What is said. Whatever nobody has thought of is its own text, if it has one."""
    reply_to, thread = _relations(relation)
    msgtype = str(content.get("msgtype")) if kind == "m.room.message" else kind
    if (found := event_kinds.said_by(msgtype, content)) is not None:
        shown, body, about = found
        return Said(shown, body, reply_to if about is None else Ref(MATRIX, about), thread)
    if msgtype in _FILES or (msgtype == "m.sticker" and "file" in content):
        marks = {"sticker": True} if msgtype == "m.sticker" else {}
        file = replace(describe(content), said=said_of_file(content) | marks)
        return Said(Kind.TEXT, Body() if marks else _caption(content), reply_to, thread, file)
    if msgtype not in _KINDS:
        return Said(Kind.TEXT, _other(msgtype, content), reply_to, thread)
    body = _body(content, strip=isinstance(relation.get("m.in_reply_to"), dict))
    return Said(_KINDS[msgtype], body, reply_to, thread)


def _other(kind: str, content: Json) -> Body:
    """The text of an event of any other type. Raises Refused (kind_not_carried) if it has none."""
    text = event_kinds.text_of(content).translate(_NO_CONTROL).strip()
    if not text:
        raise Refused("kind_not_carried", about=kind[:64])
    return Body(wording.sticker(text) if kind == "m.sticker" else text)


def _edit(new: Json, relation: Json) -> Said:
    """Specification, "Event replacements": of a text, or of what is said with a file, which stays what it is.

    Raises Refused (edit_not_carried) for one that leaves no text.
    """
    target, msgtype = relation.get("event_id"), str(new.get("msgtype"))
    body = _caption(new) if msgtype in _FILES else Body()
    if msgtype in _KINDS:
        body = _body(new, strip=False)
    if not isinstance(target, str) or not body.text:
        raise Refused("edit_not_carried")
    return Said(Kind.EDIT, body, Ref(MATRIX, target))


def _reaction(relation: Json) -> Said:
    """Specification, "Event annotations and reactions". Raises Refused (reaction_not_carried) for one about nothing."""
    key, target = relation.get("key"), relation.get("event_id")
    if relation.get("rel_type") != "m.annotation" or not isinstance(key, str) or not isinstance(target, str):
        raise Refused("reaction_not_carried")
    key = key.translate(_NO_CONTROL).strip()
    if not 0 < len(key) <= _LONGEST_KEY:
        raise Refused("reaction_not_carried")
    if key.removesuffix("\ufe0f") == wording.DONE:
        return Said(Kind.HANDLED, Body(wording.handled()), Ref(MATRIX, target))
    return Said(Kind.REACTION, Body(key), Ref(MATRIX, target))


def _caption(content: Json) -> Body:
    """What is said with a file (specification, "Media captions"; MSC2530): a body that is not the file's name."""
    name, text = content.get("filename"), content.get("body")
    if not isinstance(name, str) or not isinstance(text, str) or text == name or not text.strip():
        return Body()
    return _body(content, strip=False)


_NO_CONTROL = dict.fromkeys(set(range(32)) - {9, 10, 13})  # NUL and its like mean nothing in a text


def _body(content: Json, *, strip: bool) -> Body:
    text = content.get("body")
    if isinstance(text, str):
        text = text.translate(_NO_CONTROL)
    if not isinstance(text, str):
        raise Refused("empty")
    if strip:
        text = without_fallback(text)
    if not text.strip():
        raise Refused("empty")
    html = content.get("formatted_body")
    if content.get("format") != "org.matrix.custom.html" or not isinstance(html, str):
        return Body(text)
    html = clean(html)
    return Body(text, html if html and size(Body(text, html), MAX_TEXT) <= MAX_TEXT else None)  # the text says it too


def _relations(relation: Json) -> tuple[Ref | None, Ref | None]:
    answered = _dict(relation.get("m.in_reply_to")).get("event_id")
    root = relation.get("event_id") if relation.get("rel_type") == "m.thread" else None
    thread = Ref(MATRIX, root) if isinstance(root, str) else None
    if not isinstance(answered, str) or (thread and relation.get("is_falling_back")):
        return None, thread
    return Ref(MATRIX, answered), thread


def without_fallback(text: str) -> str:
    """A reply without the quotation that older clients put before it (removed from the specification in 1.13)."""
    if not text.startswith(("> <@", "> * <@")):
        return text
    lines = text.split("\n")
    first = next((i for i, line in enumerate(lines) if not line.startswith(">")), len(lines))
    return "\n".join(lines[first:]).lstrip("\n")


def clean(html: str) -> str:
    """HTML as Matrix allows it: no scripts, no styles, no pictures, no reply fallback. Nothing of it if it is dear."""
    if not cheap(html):
        return ""
    return nh3.clean(
        html,
        tags=_TAGS,
        attributes=_ATTRIBUTES,
        url_schemes=_SCHEMES,
        clean_content_tags={"script", "style", "mx-reply"},
        link_rel=None,
    ).strip()


def to_content(delivery: Delivery) -> Json:
    """The content of a delivery. ``m.mentions`` is empty: nobody is notified for a name that is merely in a text."""
    content: Json = {"msgtype": _MSGTYPES.get(delivery.kind, "m.text"), "body": delivery.body.text, "m.mentions": {}}
    if delivery.body.system:
        content |= {"msgtype": "m.text", OWN_WORDS: "system"}
    html = clean(delivery.body.html) if delivery.body.html is not None else ""
    if html:
        content["format"] = "org.matrix.custom.html"
        content["formatted_body"] = html
    if isinstance(delivery.body.extra, Location):
        content |= event_kinds.to_place(delivery.body.extra)
    if delivery.body.urgent:
        content[event_kinds.URGENT] = True
    content |= related(delivery.reply_to, delivery.thread)
    if len(orjson.dumps(content)) > event_kinds.LONGEST_CONTENT and "format" in content:
        del content["format"], content["formatted_body"]  # the text says it too
    return content


def to_edit(delivery: Delivery) -> Json:
    """The content that corrects an event of the room (specification, "Event replacements")."""
    assert delivery.reply_to is not None
    new = to_content(replace(delivery, kind=Kind.TEXT, reply_to=None, thread=None))
    text = (
        delivery.body.text
        if len(delivery.body.text) <= _OLD_CLIENTS_READ
        else f"{delivery.body.text[:_OLD_CLIENTS_READ]}…"
    )
    relation = {"rel_type": "m.replace", "event_id": delivery.reply_to.id}
    content = {"msgtype": new["msgtype"], "body": f"* {text}", "m.mentions": {}, "m.relates_to": relation}
    if "format" in new and len(orjson.dumps(content)) + len(orjson.dumps(new)) > event_kinds.LONGEST_CONTENT:
        del new["format"], new["formatted_body"]  # the text says it too
    return content | {"m.new_content": new}


def link(body: Body, room_id: str, event_id: str, server: str) -> Body:
    """The body below a link to what it continues in another room."""
    to = f"https://matrix.to/#/{quote(room_id, safe='')}/{quote(event_id, safe='')}?via={quote(server, safe='')}"
    words = "Échange précédent · earlier exchange"
    html = body.html if body.html is not None else escape(body.text).replace("\n", "<br>")
    return replace(body, text=f"↪ {words} : {to}\n{body.text}", html=f'<p>↪ <a href="{to}">{words}</a></p>{html}')


def to_document(file: File, opened: Json, code: str) -> Json:
    """The content that carries a file of the hub's own."""
    info = {"mimetype": file.mime, "size": file.size}
    shown = {"msgtype": "m.file", "body": file.name, "filename": file.name, "info": info, "file": opened}
    return shown | {"m.mentions": {}, OWN_WORDS: code}


def to_reaction(delivery: Delivery) -> Json:
    """The content of an ``m.reaction``; what it is about is in the room."""
    assert delivery.reply_to is not None
    target, key = delivery.reply_to.id, delivery.body.text
    return {"m.relates_to": {"rel_type": "m.annotation", "event_id": target, "key": key}}


def sound(event: Any) -> bool:
    """Whether something has what every event of a room has."""
    if not isinstance(event, dict) or not isinstance(event.get("content"), dict):
        return False
    return all(isinstance(event.get(key), str) for key in ("event_id", "room_id", "sender", "type"))


def to_notice(words: Words) -> Json:
    """The content of what the hub itself says, as an answer to the event that it is about.

    Push rules let an ``m.notice`` pass in silence: a failure is an ``m.text`` that mentions whom it concerns.
    """
    mentions: Json = {"user_ids": [words.to]} if words.to is not None and words.rings else {}
    content: Json = {"msgtype": "m.text" if words.rings else "m.notice", "body": words.text, "m.mentions": mentions}
    content[OWN_WORDS] = words.code
    if words.replaces is not None:
        new = {key: value for key, value in content.items() if key != "m.mentions"} | {"m.mentions": {}}
        relation = {"rel_type": "m.replace", "event_id": words.replaces}
        return content | {"body": f"* {words.text}", "m.mentions": {}, "m.new_content": new, "m.relates_to": relation}
    if words.about is not None:
        content["m.relates_to"] = {"m.in_reply_to": {"event_id": words.about}}
    return content


def to_answer(text: str, code: str) -> Json:
    """The content of what the hub's voice answers to a question."""
    return {"msgtype": "m.notice", "body": text, "m.mentions": {}, OWN_WORDS: code}


def to_call_end(kind: str, event_id: str, call: Json, party: str) -> tuple[str, Json] | None:
    """The event, and its content, that ends a call before anybody has answered; None for what is no call that rings.

    Specification, "Voice over IP": the called party rejects; in version 0, the number, it could only hang up.
    MSC4310 (MatrixRTC): the notification (MSC4075) that rings is declined; the caller's client stops the ringing.
    """
    if (decline := _DECLINES.get(kind)) is not None:
        rings = call.get("notification_type") != "notification"
        relation = {"rel_type": "m.reference", "event_id": event_id}
        return (decline, {"m.relates_to": relation, "reason": sentence("call_not_carried")}) if rings else None
    ident, version = call.get("call_id"), call.get("version", 0)
    if not isinstance(ident, str) or not isinstance(version, (str, int)):
        return None
    content: Json = {"call_id": ident, "version": version}
    if version == 0:
        return "m.call.hangup", content
    return "m.call.reject", content | {"party_id": party}


LONGEST_NAME = 255  # characters


def name_in(content: Json) -> str:
    """What the content of ``m.room.name`` says; empty for a name that was taken away."""
    name = content.get("name")
    return one_name(name, LONGEST_NAME) if isinstance(name, str) else ""


def to_name(shown: str, named: str | None) -> Json:
    """The content of ``m.room.name``: the name, and the hub's id of the message that gave it."""
    return ({"name": shown} if shown else {}) | {NAMED: named}


def to_naming(name: GroupName | None, *, kept: bool) -> Json:
    """Somebody gives their conversation a name that the room does not show, or not alone: said by them, encrypted.

    ``kept``: the room has a name of its own that they may not change.
    """
    code = "takes_name_away" if name is None else "names_it_room_keeps" if kept else "names_it"
    text = sentence(code, " · ") + ("" if name is None else f" : « {name.text} »")
    return {"msgtype": "m.emote", "body": text, "m.mentions": {}}


def to_service_members(users: Sequence[str]) -> Json:
    """Who of a room's members is no person, so that no client names the room after them (MSC4171)."""
    return {"service_members": sorted(set(users))}


def to_status(event_id: str, status: str, **more: Any) -> Json:
    """The content of a message status (no MSC; the fields that clients know). Sent in clear: ids and codes only."""
    relation = {"rel_type": "m.reference", "event_id": event_id}
    return {"m.relates_to": relation, "network": "fr.liaison", "status": status, **more}


def _dict(value: Any) -> Json:
    return value if isinstance(value, dict) else {}
