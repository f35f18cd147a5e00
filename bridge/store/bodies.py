"""What was said as bytes to be sealed, and back: what an earlier hub has written is read for ever. Pure."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

import orjson

from bridge.extras import Choice, ContactCard, Extra, Location, Poll, PollResult, Vote
from bridge.model import Body, Message

Json = dict[str, Any]
_UNWRITTEN: list[Any] = ["", None, 0, 0, 0, {}]


@dataclass(frozen=True, slots=True)
class StoredBody:
    """A body without its files: ``files`` is how many there are, elsewhere. ``moderated``: see Message."""

    body: Body
    files: int = 0
    moderated: bool = False


def compose(message: Message) -> bytes:
    """What is kept of a message until it is delivered."""
    return _compose(StoredBody(message.body, len(message.body.files), message.moderated))


def parse(data: bytes) -> StoredBody:
    """What was kept."""
    row: list[Any] = orjson.loads(data)
    text, html, files, system, urgent, more = [*row, *_UNWRITTEN[len(row) :]]  # an earlier hub wrote less
    extra = from_json(more["extra"]) if "extra" in more else None
    body = Body(
        text, html, (), bool(system), bool(urgent), tuple(more.get("mentions", ())), more.get("everybody", False), extra
    )
    return StoredBody(body, files, more.get("moderated", False))


def corrected(data: bytes, by: Body) -> bytes:
    """What was kept, as it reads now: its files, and what the hub or its writer marked it with, stay."""
    was = parse(data)
    said = replace(by, files=(), system=was.body.system, urgent=was.body.urgent)
    return _compose(replace(was, body=said))


def _compose(stored: StoredBody) -> bytes:
    body = stored.body
    row: list[Any] = [body.text, body.html, stored.files, int(body.system), int(body.urgent)]
    more = {
        "mentions": list(body.mentions), "everybody": body.everybody, "moderated": stored.moderated,
        "extra": to_json(body.extra) if body.extra is not None else None,
    }  # fmt: skip
    kept = {name: value for name, value in more.items() if value}
    return orjson.dumps([*row, kept] if kept else row)


def to_json(extra: Extra) -> Json:
    """What a message holds beside its text, and which of these it is."""
    return {"is": type(extra).__name__} | asdict(extra)


def from_json(kept: Json) -> Extra | None:
    """The same; None for what a newer hub has written, as the text says it too."""
    match kept:
        case {"is": "Location", **it}:
            return Location(**it)
        case {"is": "Poll", **it}:
            return _poll(it)
        case {"is": "Vote", "answers": answers}:
            return Vote(tuple(answers))
        case {"is": "PollResult", "poll": poll, "counts": counts, "voters": voters}:
            return PollResult(_poll(poll), tuple(counts), voters)
        case {"is": "ContactCard", **it}:
            return ContactCard(**it)
    return None


def _poll(kept: Json) -> Poll:
    answers = tuple(Choice(one["id"], one["text"]) for one in kept["answers"])
    return Poll(kept["question"], answers, kept["most"], kept["disclosed"])
