"""What is done to a message that is there: whether it may be, and what still waits of that message."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace

from bridge.db import Tx
from bridge.errors import Refused
from bridge.hub.courier import Courier
from bridge.kinds import KINDS, not_carried
from bridge.model import Kind, Message, Person
from bridge.store.conversation import Conversation, delivery_id
from bridge.store.corrections import Original
from bridge.store.store import Store

SUPERSEDED = "superseded"


@dataclass(frozen=True, slots=True)
class About:
    """``message`` (hub id, empty for what is about nothing) and its ``kind``.

    ``moot``: nobody need hear of it, for what it wants is so already. ``old``: a newer correction stands.
    """

    kind: Kind
    message: str = ""
    moot: bool = False
    old: bool = False


class Amending:
    """Corrections, removals, reactions: each has one end, in whichever order they come.

    Of two corrections the one that was said last stands; of two said in the same millisecond the one that came last.
    What was taken back stays so, whatever comes for it later.
    """

    def __init__(self, store: Store, courier: Courier, clock: Callable[[], int]) -> None:
        self._store = store
        self._courier = courier
        self._clock = clock

    async def rooted(self, message: Message, conversation: Conversation) -> tuple[Message, str, Sequence[str]]:
        """The message as it is about what its writer means: not about a correction, but about what that corrects.

        Gives what a correction is about (hub id), too, and the deliveries of that, of which some may wait.
        """
        if not KINDS[message.kind].about or message.reply_to is None:
            return message, "", ()
        corrections = self._store.corrections
        found = await corrections.target(self._store.db, message.reply_to)
        if found is not None and found.root != found.message and message.kind is not Kind.REMOVAL:
            found = await corrections.message(self._store.db, found.root)
            message = message if found is None else replace(message, reply_to=found.own)
        if found is None or found.conversation != conversation.id or not KINDS[message.kind].corrects:
            return message, "", ()
        return message, found.message, [delivery_id(found.message, n) for n in sorted(conversation.networks)]

    async def about(self, tx: Tx, message: Message, sender: Person) -> About:
        """What a message is about: of most, nothing. Raises Refused for what may not, or cannot, be done to that."""
        rule = KINDS[message.kind]
        if not rule.about:
            return About(message.kind)
        found = await self._store.corrections.target(tx, message.reply_to) if message.reply_to is not None else None
        if found is None or (rule.own and not _may(message, found, sender)) or rule.of not in (None, found.kind):
            raise Refused(not_carried(message.kind))
        edited, removed = await self._store.corrections.amended(tx, found.root)
        if removed and not rule.erases:
            raise Refused("target_removed", "id")
        old = message.kind is Kind.EDIT and edited is not None and message.sent_at < edited
        return About(found.kind if rule.own else message.kind, found.root, old or removed, old)

    async def overtake(
        self, tx: Tx, message: Message, about: About, original: str, free: Collection[str], begun: int
    ) -> dict[str, bool]:
        """What waits leaves corrected, or not at all; see :meth:`bridge.store.corrections.Corrections.overtake`."""
        if about.moot or not original:
            return {}
        return await self._store.corrections.overtake(tx, message, original, free, begun, self._clock())

    async def noted(self, tx: Tx, message: Message, about: About, conversation: Conversation) -> None:
        """It has been accepted; the writer of an old correction hears that a newer one stands."""
        if KINDS[message.kind].corrects:
            await self._store.corrections.note(tx, message, about.message)
        if about.old:
            await self._store.corrections.nobody(tx, message, conversation, SUPERSEDED, self._clock())

    def overtook(
        self, message: Message, original: str, conversation: Conversation, overtaken: Collection[str],
        refused: Callable[[str, str], None],
    ) -> None:  # fmt: skip
        """It is on disk: lanes go on. ``refused`` hears of a message that a network will never show."""
        for network in overtaken:
            if KINDS[message.kind].erases:
                refused(original, network)
            self._courier.wake(conversation.id, network)
        self._courier.wake_reports()


def _may(message: Message, found: Original, sender: Person) -> bool:
    """People correct their own words, and take back whatever they said or set; a correction is corrected once more."""
    if found.sender != sender.id and not (message.moderated and message.kind is Kind.REMOVAL):
        return False
    of = KINDS[found.kind]
    return of.said or (of.about and not of.corrects and message.kind is Kind.REMOVAL)
