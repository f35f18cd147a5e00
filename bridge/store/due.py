"""A delivery that waits in its lane, and what it becomes when it is handed out: pure."""

from __future__ import annotations

from dataclasses import dataclass, replace

from bridge.model import Delivery, State
from bridge.store.conversation import Conversation


@dataclass(frozen=True, slots=True)
class DueDelivery:
    """A delivery of a lane. ``next_at`` (ms): it must wait until then.

    ``meant`` are those for whom its message was accepted: person, network, state.
    """

    delivery: Delivery
    next_at: int
    meant: tuple[tuple[str, str, str], ...]


def addressed(due: DueDelivery, whole: Conversation) -> Delivery:
    """The delivery in the conversation as it is now: its name, and who gets it.

    Today's members without those who came later; ``gone`` are those who have left before they got it. Whoever was told
    not to get it does not get it by being a member again.
    """
    network, networks = due.delivery.network, {n for _, n, _ in due.meant}
    refused = {person for person, where, state in due.meant if where == network and state == State.REFUSED}
    meant = {person for person, _, _ in due.meant} - refused
    members = tuple([m for m in whole.members if m.address.network not in networks or m.person.id in meant])
    if len(members) == len(whole.members):
        members = whole.members  # the very same, as long as nobody comes or goes: others compare by that
    left = {person for person, where, state in due.meant if where == network and state == State.ACCEPTED}
    left.difference_update(m.person.id for m in members if m.address.network == network)
    gone, was = frozenset(left | refused), due.delivery
    if not gone and members is was.members and (whole.name, whole.named) == (was.name, was.named):
        return was
    return replace(was, members=members, gone=gone, name=whole.name, named=whole.named)
