"""Pure: how an event says what it answers and in which thread it stands (client-server API, "Threading")."""

from __future__ import annotations

from typing import Any

from bridge.model import Ref

Json = dict[str, Any]


def related(reply_to: Ref | None, thread: Ref | None) -> Json:
    """The relation of an event that answers another one, or stands in a thread."""
    relation: Json = {}
    if reply_to is not None:
        relation["m.in_reply_to"] = {"event_id": reply_to.id}
    if thread is not None:
        relation["rel_type"] = "m.thread"
        relation["event_id"] = thread.id
        relation["is_falling_back"] = reply_to is None
        relation.setdefault("m.in_reply_to", {"event_id": thread.id})
    return {"m.relates_to": relation} if relation else {}
