"""A product gives its conversation a picture, and gets those of others once it says that it shows them."""

from __future__ import annotations

import json
from base64 import b64decode, b64encode

import pytest

from appservice.rooms.portrait import draw
from bridge.networks.connect.log.event_log import Event
from bridge.networks.connect.log.way_out import HandedIn
from tests.connect.make import CLEO, TOKENS, Json, World, message
from tests.connect.teams.test_groups import group

PICTURE = draw("AB1")
PUT = "/conversations/chat-1/avatar"
GOOD = {"id": "a-1", "by": "cleo", "content": b64encode(PICTURE).decode()}


def listen(w: World, product: str) -> list[Json]:
    """What a product is sent about pictures from now on."""
    out, seen = w.connectors[product]._out, list[Json]()
    hand = out.hand

    async def noting(event: Event) -> HandedIn:
        body = json.loads(event.body)
        if body["type"] == "conversation.picture":
            seen.append(body["data"])
        return await hand(event)

    out.hand = noting  # type: ignore[method-assign]
    return seen


async def test_a_picture_goes_to_who_shows_it(w: World) -> None:
    await group(w)
    seen, own = listen(w, "siilo"), listen(w, "pandalab")
    shows = {"kinds": ["picture"], "files": True}
    assert (await w.call("PUT", "/capabilities", shows, token=TOKENS["siilo"]))[0] == 200
    assert await w.call("PUT", PUT, GOOD) == (202, {"id": "a-1", "conversation": "chat-1"})
    assert (await w.call("PUT", PUT, GOOD))[0] == 202  # again
    assert (await w.call("PUT", PUT, GOOD | {"content": None}))[1]["code"] == "id_in_use"
    assert (await w.call("PUT", PUT, GOOD | {"id": "a-2", "content": None}))[0] == 202
    await w.until(lambda: len(seen) == 2)
    first, second = seen
    assert (first["picture"]["type"], b64decode(first["picture"]["content"])) == ("image/png", PICTURE)
    assert second["picture"] is None
    assert first["by"]["rpps"] == CLEO
    assert first["order"] < second["order"]
    assert own == []


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"by": "fay", "path": "/conversations/none/avatar"}, "unknown_conversation"),
        ({"by": "nobody"}, "unknown_sender"),
        ({"id": "p-1"}, "id_in_use"),
        ({"content": "AAAA"}, "bad_picture"),
        ({"content": "A"}, "invalid"),
        ({"content": b64encode(bytes(100)).decode()}, "bad_picture"),
    ],
)
async def test_a_picture_that_cannot_be_is_refused_in_words(w: World, change: Json, code: str) -> None:
    await group(w)
    path = change.pop("path", PUT)
    assert (await w.call("PUT", path, GOOD | change))[1].get("code") == code


async def test_a_conversation_with_a_patients_name_has_none(w: World) -> None:
    name = {"text": "Mme Perrot", "about_patient": True}
    assert (await w.call("POST", "/messages", message("p-1", name=name)))[0] == 202
    assert (await w.call("PUT", PUT, GOOD))[1]["code"] == "picture_of_patient"
