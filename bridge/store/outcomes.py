"""What became of messages: a state for each recipient, and what their senders still have to be told."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import orjson

from bridge.db import Database, Row, Tx
from bridge.model import Address, Person, RecipientState, Ref, Report, State
from bridge.people.people import People

INVITED = "invited"  # why a message is kept: nobody is there yet
TOLD = 100  # reports that are read, and told, at once


class Outcomes:
    """What the store knows of them; each operation takes the open transaction, or reads what is committed."""

    def __init__(self, db: Database, people: People) -> None:
        self.db = db
        self._people = people

    async def changed(self, tx: Tx, *messages: str) -> None:
        """Something became of messages: their senders are to be told."""
        rows = [(message,) for message in sorted(set(messages))]  # in one order everywhere: no deadlock
        await tx.many("store.changed", rows)
        await tx.many("store.add_report", rows)

    async def all_changed(self, tx: Tx, rows: Sequence[Row]) -> bool:
        """The same of several (``message`` of each row); True if there are any."""
        if rows:
            await self.changed(tx, *(row["message"] for row in rows))
        return bool(rows)

    async def meant(self, message: str, person: str, network: str) -> bool:
        """Whether the message was for ``person``, on ``network``."""
        rows = await self.db.all("store.recipients", message)
        return any((row["person"], row["network"]) == (person, network) for row in rows)

    async def read_up_to(self, tx: Tx, message: str, person: str, network: str, at: int) -> bool:
        """``person`` has read this and everything before it that went to ``network``; True if that is news.

        What that network has not got yet nobody has read there, whatever place it has: it is looked at again later.
        Where the message that was read is in its lane still, its network has it and that is not noted yet (a crash, or
        a reader who is quick): so it has whatever is before it in that lane.
        """
        news: list[Row] = []
        after, waits = 0, None
        await tx.one("store.reading", message, person, network)
        while rows := await tx.all("store.unread", message, person, network, after):
            news += await tx.all("store.read", _ids(row for row in rows if _is_there(row)), person, at, network)
            after = rows[-1]["pos"]
            in_lane = [
                row["pos"] for row in rows if not _is_there(row) and row["held"] != 1
            ]  # these get no other place
            waits = min(in_lane, default=None) if waits is None else waits
            upto = after if waits is None else waits - 1
            await tx.run("store.has_read", rows[-1]["conversation"], person, network, upto)
        return await self.all_changed(tx, news)

    async def seen(self, tx: Tx, message: str, person: str, network: str, at: int) -> bool:
        """``person`` has read this one; True if that is news."""
        return await self._moved(tx, "store.seen", message, person, network, at)

    async def taken(self, tx: Tx, message: str, person: str, network: str, at: int) -> bool:
        """``person``'s operator has taken the message; True if that is news."""
        return await self._moved(tx, "store.taken", message, person, network, at, None)

    async def received(self, tx: Tx, message: str, person: str, network: str, at: int) -> bool:
        """``person``'s device has taken the message; True if that is news."""
        return await self._moved(tx, "store.received", message, person, network, at)

    async def arrived(self, tx: Tx, conversation: str, network: str, person: str, at: int, never: str | None) -> bool:
        """What waited for ``person`` on a network is delivered, or refused (``never``); True if that is news.

        They may have read past it before they could read it: their next receipt covers it.
        """
        became = (State.REFUSED if never else State.DELIVERED).value
        where, news = (network, conversation, person), list[Row]()
        while rows := await tx.all("store.kept", *where):
            if not news and never is None:
                await tx.run("store.read_anew", *where, rows[0]["pos"] - 1)
            news += await tx.all("store.arrived", _ids(rows), network, person, at, became, never)
            await tx.run("store.await_from", *where, rows[-1]["pos"] + 1)
        await tx.run("store.end_await", *where)
        return await self.all_changed(tx, news)

    async def waits(self, tx: Tx, conversation: str, network: str, person: str, at: int, why: str) -> bool:
        """Why ``person`` has not got yet what waits for them there; True if that is news."""
        where, news, after = (network, conversation, person), list[Row](), -1
        while rows := await tx.all("store.kept_after", *where, after):
            news += await tx.all("store.why", network, person, at, why, _ids(rows))
            after = rows[-1]["pos"]
        return await self.all_changed(tx, news)

    async def came(self, tx: Tx, conversation: str, network: str, person: str, at: int, never: str | None) -> bool:
        """``person`` has come into a chat, or will not (``never``): they get nothing of what is kept. True if news."""
        where = (network, conversation, person)
        await tx.run("store.is_in", *where)
        if never is None:
            await tx.run("store.hurry", conversation, network)
            return False
        news = await self.all_changed(tx, await tx.all("store.declined", *where, at, never))
        for row in await tx.all("store.end_withdrawn", conversation, network) if news else ():
            await tx.run("store.end_files", row["message"])
        return news

    async def kept(self, tx: Tx, conversation: str, network: str, why: str) -> bool:
        """A lane waits until somebody comes: everything in it does; True if that is news."""
        return await self.all_changed(tx, await tx.all("store.keep", conversation, network, why))

    async def not_in(self, tx: Tx, conversation: str, network: str, person: str, at: int) -> bool:
        """``person`` was invited long ago and has not come: said once, until there is more for them. True if news."""
        await tx.run("store.is_in", network, conversation, person)
        return await self.waits(tx, conversation, network, person, at, "not_joined_yet")

    async def late(self, tx: Tx, network: str, waiting: Mapping[str, str]) -> bool:
        """These wait for long (deliveries of a network, and their messages); True if that is news."""
        await tx.many("store.set_late", [(delivery,) for delivery in sorted(waiting)])
        messages = sorted(set(waiting.values()))
        return await self.all_changed(tx, [r for m in messages for r in await tx.all("store.late", m, network)])

    async def stuck(self, tx: Tx, message: str, network: str, why: str) -> bool:
        """Why a message waits for everybody on a network, where people can do something about it; True if news."""
        return await self.all_changed(tx, await tx.all("store.stuck", message, network, why))

    async def delivered(self, tx: Tx, network: str, messages: Iterable[str], at: int) -> None:
        """Everybody of a network for whom these messages were accepted has them."""
        rows = sorted(messages)
        await tx.many("store.delivered", [(message, network, at) for message in rows])
        await self.changed(tx, *rows)

    async def lost(self, tx: Tx, network: str, messages: Iterable[str], why: str, at: int) -> None:
        """Nobody of a network for whom these messages were accepted gets them."""
        rows = sorted(messages)
        await tx.many("store.refused", [(message, network, at, why) for message in rows])
        await self.changed(tx, *rows)

    async def named(self, tx: Tx, network: str, message: str, name: str) -> None:
        """A network calls a message this from now on; the name that it had there before stays known."""
        await tx.run("store.other_names", network, message)
        await tx.run("store.own_name", network, name, message)

    async def failed(self, tx: Tx, message: str, person: str, network: str, reason: str, at: int) -> bool:
        """``person`` will not get the message; True if that is news."""
        return await self._moved(tx, "store.failed", message, person, network, at, reason)

    async def _moved(self, tx: Tx, operation: str, message: str, *values: str | int | None) -> bool:
        row = await tx.one(operation, message, *values)
        if row is not None:
            await self.changed(tx, message)
        return row is not None

    async def states(self, message: str) -> tuple[RecipientState, ...]:
        """What became of a message, per recipient; never inside of a transaction, as the directory is asked."""
        return (await self._states([message]))[message]

    async def _states(self, messages: Iterable[str]) -> dict[str, tuple[RecipientState, ...]]:
        found: dict[str, list[RecipientState]] = {message: [] for message in messages}
        people: dict[str, Person] = {}  # the same ones for one message after the other
        for row in await self.db.all("store.states", orjson.dumps(list(found)).decode()):
            ident = row["person"]
            person = people.get(ident) or people.setdefault(ident, await self._people.get(ident))
            found[row["message"]].append(RecipientState(person, State(row["state"]), row["at"], row["reason"]))
        return {message: tuple(states) for message, states in found.items()}

    async def reports(self, network: str, now: int) -> list[tuple[Report, int]]:
        """What the senders on a network still have to be told, with the attempts made so far: :data:`TOLD` at most.

        In the order of the messages: of two marks of one reader the one that is told last stands.
        """
        rows = sorted(await self.db.all("store.reports", network, now, TOLD), key=lambda row: int(row["pos"]))
        states = await self._states(row["message"] for row in rows) if rows else {}
        return [(_report(row, states[row["message"]]), row["attempt"]) for row in rows]

    async def next_report(self, network: str) -> int | None:
        """When (ms) senders on this network are to be told something again, None: nothing waits."""
        row = await self.db.one("store.next_report", network)
        return None if row is None else row["next_at"]

    async def told(self, tx: Tx, reports: Iterable[Report]) -> None:
        """These senders know; what changed meanwhile is told again."""
        await tx.many("store.end_report", sorted((r.message, r.version) for r in reports))


def _report(row: Row, states: tuple[RecipientState, ...]) -> Report:
    return Report(
        message=row["message"], ref=Ref(row["network"], row["ref"]), conversation=row["conversation"],
        chat=row["chat"], sender=Address(row["network"], row["address"]), states=states, version=row["version"],
    )  # fmt: skip


def _is_there(row: Row) -> bool:
    """Whether a reader's network has a message (a row of ``store.unread``)."""
    return row["held"] is None or row["held"] == row["own"] == 0


def _ids(rows: Iterable[Row]) -> str:
    """The ids of rows, as a statement takes a list."""
    return orjson.dumps([row["id"] for row in rows]).decode()
