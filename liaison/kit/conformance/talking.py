"""Scenarios of every day: writing, receiving, reading, groups, names, search, typing, urgent and refused messages."""

from __future__ import annotations

from bridge.model import Body, GroupName, Kind
from liaison.connect import new_id
from liaison.kit.conformance.front import Request
from liaison.kit.conformance.trial import Came, Json, Trial
from liaison.kit.people import BEN, GAEL, NOBODY


def of(messages: list[Json], ident: str) -> Json:
    """The message with this id; empty if it is not there."""
    return next((one for one in messages if one.get("id") == ident), {})


async def send(trial: Trial) -> None:
    """A user writes; the colleague reads."""
    judge, text = trial.judge, f"Bonjour à tous, 5 µg ✓ {new_id()[:8]}"
    before = len(trial.front.requests)
    said = await trial.driver.write(trial.cleo, text, to=[BEN.person.id])
    ident = str(said.get("id", ""))
    asked = await trial.eventually(lambda: _posted(trial, before))
    taken = [one for one in asked or () if one.status == 202]
    seen = f"answered {asked[-1].status}" if asked else "no POST /messages came"
    if not judge.check("send.accepted", taken, seen):
        return
    message = taken[0].answer["message"]
    delivery = await trial.delivered(lambda one: one.message == message)
    copies = [one for one in trial.colleagues.delivered if one.body.text == text]
    if not judge.check("send.arrives", len(copies) == 1, f"{len(copies)} messages arrived with this text"):
        return
    assert delivery is not None

    async def state(*wanted: str) -> bool:
        return await trial.shown(lambda all_: of(all_, ident).get("state") in wanted, trial.cleo)

    await trial.eventually(lambda: _told(trial, ident, "delivered", "read"))
    judge.check("send.delivered", await state("delivered", "read"), "the state stays as it was")
    await trial.colleagues.read(BEN.account, trial.colleagues.id_of(delivery))
    await trial.eventually(lambda: _told(trial, ident, "read"))
    judge.check("send.read", await state("read"), "the state stays as it was")


def _posted(trial: Trial, before: int) -> list[Request]:
    """Messages that the product has handed in since."""
    return [one for one in trial.front.requests[before:] if one.path.endswith("/messages")]


def _told(trial: Trial, ident: str, *states: str) -> bool:
    """Whether the product was told, and took, that its message is in one of these states."""
    told = (one for call in trial.tap.calls if call.type == "message.state" and call.taken
            for one in call.data["messages"])  # fmt: skip
    return any(one["id"] == ident and one["state"] in states for one in told)


async def refused(trial: Trial) -> None:
    """A user writes to somebody whom nothing reaches."""
    text = f"Êtes-vous là ? {new_id()[:8]}"
    said = await trial.driver.write(trial.cleo, text, to=[NOBODY.person.id])
    if not await trial.eventually(lambda: trial.front.found(lambda one: one.has(text=text) and one.status >= 400)):
        trial.judge.check("refused.shown", False, "no POST /messages came")
        return
    shown = await trial.shown(lambda all_: of(all_, str(said.get("id"))).get("state") == "refused", trial.cleo)
    trial.judge.check("refused.shown", shown, "it is not shown as refused")


async def receive(trial: Trial) -> None:
    """A colleague writes; the user reads and answers."""
    judge, came = trial.judge, await trial.from_ben()
    given = isinstance(came.call.answer, dict) and bool(came.call.answer.get("id"))
    judge.check("receive.id", given, "the answer has no id")
    text = came.call.data["text"]

    def shows(messages: list[Json]) -> bool:
        return any(one.get("text") == text and BEN.name in str(one.get("sender")) for one in messages)

    if not judge.check("receive.shown", await trial.shown(shows, trial.cleo), "no such message is listed"):
        return
    await _answer(trial, came)
    early = await trial.settled(lambda: _soon(trial, came))
    judge.check("receive.unread", not early, "a receipt came before the user opened it")
    await trial.driver.read(trial.cleo, came.message)
    receipt = await trial.eventually(lambda: _read(trial, came))
    judge.check("receive.read", receipt, "no POST /receipts with this id was taken")


async def _soon(trial: Trial, came: Came) -> bool:
    return _read(trial, came)


async def _answer(trial: Trial, came: Came) -> None:
    """The user answers."""
    answer = f"Oui {new_id()[:8]}"
    await trial.driver.write(trial.cleo, answer, conversation=came.conversation, reply_to=came.message)
    delivery = await trial.delivered(lambda one: one.body.text == answer)
    cited = delivery is not None and delivery.reply_to is not None and delivery.reply_to.id == came.ident
    seen = "no answer came" if delivery is None else "the answer names no message, or another"
    trial.judge.check("receive.reply", cited, seen)


def _read(trial: Trial, came: Came) -> bool:
    """Whether the hub took that the message has been read."""
    return any(one.status == 204 and one.has(message=came.message, state="read") for one in trial.front.requests)


async def urgent(trial: Trial) -> None:
    """A colleague's message that cannot wait."""
    text = f"Urgent : potassium 6,8 {new_id()[:8]}"
    came = await trial.from_ben(text, body=Body(text, urgent=True))
    shown = await trial.shown(lambda all_: of(all_, came.message).get("priority") == "urgent", trial.cleo)
    trial.judge.check("urgent.shown", shown, "it is shown like any other")


async def group(trial: Trial) -> None:
    """People come in, and a conversation gets a name, from both sides."""
    judge, came = trial.judge, await trial.from_ben()

    async def has(member: str) -> bool:
        members = (await trial.driver.conversation(trial.cleo, came.conversation)).get("members", [])
        return any(member in str(one) for one in members)

    await trial.colleagues.add(BEN.account, came.chat, [GAEL.person.id])
    await trial.called(lambda call: call.type == "conversation.members" and _in(call.data, came))
    judge.check("group.joined", await trial.settled(lambda: has(GAEL.name)), f"{GAEL.name} is not among the members")
    sent = await trial.to_ben()
    await trial.driver.members(trial.cleo, sent.conversation, GAEL.person.id)
    more = await trial.delivered(
        lambda one: one.conversation == sent.delivery.conversation and len(one.members) == 3, Kind.MEMBERS
    )
    judge.check("group.added", more, "no change of members came")
    await _named(trial, came, sent.conversation)


async def _named(trial: Trial, came: Came, conversation: str) -> None:
    """The second half of ``group``."""
    await trial.driver.rename(trial.cleo, conversation, "Sortie de jeudi")
    arrived = await trial.delivered(lambda one: one.name == GroupName("Sortie de jeudi"))
    assert trial.colleagues.hub is not None
    await trial.colleagues.rename(BEN.account, came.chat, "Relève du soir")
    await trial.called(lambda call: call.type == "conversation.renamed" and _in(call.data, came))

    async def named() -> bool:
        found = await trial.driver.conversation(trial.cleo, came.conversation)
        return "Relève du soir" in str(found.get("name"))

    shown = await trial.settled(named)
    trial.judge.check("group.named", arrived and shown, "the user's did not arrive" if shown else "it is not shown")


def _in(data: Json, came: Came) -> bool:
    return bool(data.get("conversation") == came.conversation)


async def search(trial: Trial) -> None:
    """A user looks for a colleague by name."""
    found = await trial.driver.people(trial.cleo, "Durand")
    trial.judge.check("search.found", BEN.name in found, f"{len(found)} others were found")


async def typing(trial: Trial) -> None:
    """A user begins to write."""
    sent = await trial.to_ben()
    await trial.driver.typing(trial.cleo, sent.conversation)
    sign = await trial.eventually(lambda: trial.front.found(lambda one: one.path.endswith("/typing")))
    told = bool(sign) and sign[0].status == 204 if sign else False
    trial.judge.check("typing.sent", told, "no POST /typing was taken")
