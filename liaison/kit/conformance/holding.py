"""Scenarios of what a message holds beside its text, of files by address, and of functions."""

from __future__ import annotations

import hashlib

from bridge.extras import Choice, Location, Poll, Vote
from bridge.model import Body, Delivery, File, Kind
from liaison.connect import new_id
from liaison.kit.colleagues import Said
from liaison.kit.conformance.changing import undeclared
from liaison.kit.conformance.front import Fault
from liaison.kit.conformance.talking import of
from liaison.kit.conformance.trial import Came, Json, Trial
from liaison.kit.people import BEN, FUNCTION, FUNCTION_NAME, USERS

_PDF = b"%PDF-1.4 images du kit\n%%EOF\n" * 40
_HERE = {"lat": 45.9, "lon": 6.125}
_ASKED = {"question": "Quand ?", "answers": [{"id": "a", "text": "Mardi"}, {"id": "b", "text": "Jeudi"}]}


async def poll(trial: Trial) -> None:
    """Polls, asked on either side, where the product says that it shows them."""
    judge, rules = trial.judge, ("poll.shown", "poll.voted", "poll.ended", "poll.asked")
    if undeclared(trial, "poll", *rules):
        return
    asked = Poll("Staff à 8 h ?", (Choice("y", "Oui"), Choice("n", "Non")))
    came = await trial.from_ben(f"Sondage {new_id()[:8]}", kind=Kind.POLL, body=Body("", extra=asked), match="poll")

    def shows(messages: list[Json]) -> bool:
        found = of(messages, came.message).get("poll") or {}
        return [one.get("text") for one in found.get("answers", [])] == ["Oui", "Non"]

    if judge.check("poll.shown", await trial.shown(shows, trial.cleo), "its answers are not shown"):
        await trial.driver.act(trial.cleo, "votes", came.message, answers=["y"])
        voted = await trial.delivered(lambda one: _voted(one, came.ident), Kind.VOTE)
        judge.check("poll.voted", voted, "no vote came, or another")
        await _ended(trial, came)
    await trial.driver.write(trial.cleo, "", to=[BEN.person.id], kind="poll", poll=_ASKED)
    mine = await trial.delivered(
        lambda one: isinstance(one.body.extra, Poll) and one.body.extra.question == _ASKED["question"], Kind.POLL
    )
    judge.check("poll.asked", mine, "no poll came")


def _voted(one: Delivery, poll: str) -> bool:
    about = one.reply_to is not None and one.reply_to.id == poll
    return about and one.body.extra == Vote(("y",))


async def _ended(trial: Trial, came: Came) -> None:
    """Ben ends it."""
    await trial.say(came.chat, Said("", Kind.POLL_END, came.ident))
    await trial.called(lambda call: call.type == "message.poll_ended")

    def counted(messages: list[Json]) -> bool:
        return [one.get("count") for one in of(messages, came.message).get("counts") or []] == [1, 0]

    trial.judge.check("poll.ended", await trial.shown(counted, trial.cleo), "the counts are not shown")


async def place(trial: Trial) -> None:
    """Places, where the product says that it shows them."""
    if undeclared(trial, "locations", "place.shown", "place.sent"):
        return
    text = f"Je suis ici {new_id()[:8]}"
    came = await trial.from_ben(text, body=Body(text, extra=Location(_HERE["lat"], _HERE["lon"])))

    def shows(messages: list[Json]) -> bool:
        found = of(messages, came.message).get("location") or {}
        return (found.get("lat"), found.get("lon")) == (_HERE["lat"], _HERE["lon"])

    trial.judge.check("place.shown", await trial.shown(shows, trial.cleo), "its degrees are not shown")
    text = f"Rendez-vous {new_id()[:8]}"
    await trial.driver.write(trial.cleo, text, to=[BEN.person.id], kind="location", location=_HERE)
    sent = await trial.delivered(lambda one: isinstance(one.body.extra, Location) and text in one.body.text)
    trial.judge.check("place.sent", sent, "no place came")


async def mention(trial: Trial) -> None:
    """Who is called by name, where the product says that it notifies them."""
    if undeclared(trial, "mentions", "mention.shown", "mention.sent"):
        return
    text, me = f"@{USERS[0].name} {new_id()[:8]}", USERS[0].person.id
    came = await trial.from_ben(text, body=Body(text, mentions=(me,)))
    called = await trial.shown(lambda all_: trial.cleo in (of(all_, came.message).get("mentioned") or []), trial.cleo)
    trial.judge.check("mention.shown", called, "the user is not called")
    text = f"@{BEN.name} {new_id()[:8]}"
    sent = await trial.to_ben(text, mentions=[BEN.person.id])
    trial.judge.check("mention.sent", BEN.person.id in sent.delivery.body.mentions, "nobody is called")


async def thread(trial: Trial) -> None:
    """Threads, where the product says that it has them."""
    if undeclared(trial, "threads", "thread.shown", "thread.sent"):
        return
    came, text = await trial.from_ben(), f"Dans le fil {new_id()[:8]}"
    await trial.say(came.chat, Said(text, thread=came.ident))
    call = await trial.called(lambda call: call.data.get("text") == text)
    inside = await trial.shown(lambda all_: of(all_, call.given).get("thread") == came.message, trial.cleo)
    trial.judge.check("thread.shown", inside, "it is shown outside of its thread")
    sent = await trial.to_ben(conversation=came.conversation, thread=came.message)
    there = sent.delivery.thread is not None and sent.delivery.thread.id == came.ident
    trial.judge.check("thread.sent", there, "it came outside of its thread")


async def address(trial: Trial) -> None:
    """Files that webhooks name and do not hold, where the product fetches them."""
    rules = ("address.fetched", "address.again")
    if not await trial.driver.by_url(True):
        for rule in rules:
            trial.judge.skip(rule, "the test driver has no POST /files-by-url")
        return
    try:
        for rule in rules:
            if rule == "address.again":
                trial.front.play(Fault(lambda one: one.method == "GET" and "/files/" in one.path, 503, times=1))
            if not trial.judge.check(rule, await _fetched(trial), "the file is not shown as it is"):
                return
    finally:
        await trial.driver.by_url(False)


async def _fetched(trial: Trial) -> bool:
    """Whether a file of Ben's is shown, as it is."""
    content = _PDF + new_id().encode()
    digest, text = hashlib.sha256(content).hexdigest(), f"Images {new_id()[:8]}"
    came = await trial.from_ben(text, body=Body(text, files=(File("images.pdf", "application/pdf", content),)))

    def whole(messages: list[Json]) -> bool:
        files = of(messages, came.message).get("files", [])
        return [(one.get("sha256"), one.get("size")) for one in files] == [(digest, len(content))]

    return await trial.shown(whole, trial.cleo)


async def duty(trial: Trial) -> None:
    """A function is found and written to as a person is; whoever is on duty answers for it."""
    judge = trial.judge
    found = await trial.driver.people(trial.cleo, FUNCTION_NAME)
    judge.check("duty.found", FUNCTION_NAME in found, f"{len(found)} others were found")
    text = f"Avis demandé {new_id()[:8]}"
    said = await trial.driver.write(trial.cleo, text, to=[FUNCTION])
    given = await trial.delivered(lambda one: one.body.text == text)
    if not judge.check("duty.reaches", given, "whoever is on duty got nothing"):
        return
    assert given is not None
    ident = trial.colleagues.id_of(given)
    await trial.settled(lambda: trial.colleagues.read(BEN.account, ident))
    chat = str(said.get("conversation", ""))

    def told(messages: list[Json]) -> bool:
        return any(BEN.name in str(one.get("text")) for one in messages)

    await trial.called(lambda call: bool(call.data.get("system")) and call.data.get("conversation") == chat)
    judge.check("duty.told", await trial.shown(told, trial.cleo, chat), "the notice is not shown")
