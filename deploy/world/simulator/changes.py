"""What is done to a message of the simulated product shows at the message."""

from __future__ import annotations

from deploy.world.simulator.state import Json, State

DONE = {
    "message.edited": "edits",
    "message.removed": "removals",
    "message.reaction": "reactions",
    "message.handled": "handled",
    "message.vote": "votes",
    "message.poll_ended": "end",
}
"""Webhook -> the call by which the same is done here."""
MARKS = ("reactions", "handled")
"""What has an id of its own, by which it is taken back."""
HANDLED = "✅"


def change(state: State, kind: str, about: str, said: Json) -> None:
    """Show it. ``said`` has ``id``, ``by``, and what the call or the webhook says."""
    known = state.message(about)
    if known is None:
        return
    match kind:
        case "edits":
            _edited(state, known, said)
        case "reactions" | "handled":
            more = {"id": said["id"], "key": said.get("key", HANDLED), "by": said["by"]}
            state.amend(about, reactions=[*known.get("reactions", []), more])
        case "votes":
            state.amend(about, votes=known.get("votes", {}) | {said["by"]: said["answers"]})
        case "end":
            state.amend(about, counts=said.get("counts") or _counted(known), ended=True)
        case _:
            _removed(state, known)


def _edited(state: State, known: Json, said: Json) -> None:
    """A correction that is older than the last one changes nothing."""
    last = known.get("edit_order", 0)
    if said.get("order", last) >= last:
        more = {"edit_order": said["order"]} if "order" in said else {}
        state.amend(known["id"], text=said["text"], edited=known.get("edited", 0) + 1, **more)


def _counted(known: Json) -> list[Json]:
    """The counts of a poll, by the votes that are known here."""
    chosen = [answer for answers in known.get("votes", {}).values() for answer in answers]
    return [one | {"count": chosen.count(one["id"])} for one in (known.get("poll") or {}).get("answers", [])]


def _removed(state: State, known: Json) -> None:
    """What is done to a reaction shows at the message that it is about."""
    if "about" in known and (target := state.message(known["about"])) is not None:
        left = [one for one in target.get("reactions", []) if one["id"] != known["id"]]
        state.amend(target["id"], reactions=left)
    else:
        state.amend(known["id"], text="", files=[], removed=True)
