"""Scenarios of webhooks: signatures, clocks, secrets that rotate, repeats, order, and what a newer hub will say."""

from __future__ import annotations

from bridge.networks.connect.signing import new_secret
from liaison.connect import new_id
from liaison.kit.conformance.tap import Call
from liaison.kit.conformance.trial import Came, Json, Trial

_HOUR = 3600


async def _kept_out(trial: Trial, rule: str, came: Came, **how: object) -> None:
    """A forged message is neither taken nor shown."""
    text = f"Faux {new_id()[:8]}"
    call = await trial.forged(trial.like(came, text=text), **how)
    listed = any(one.get("text") == text for one in await trial.driver.messages(trial.cleo))
    seen = f"answered {call.status}" + (", and the message is shown" if listed else "")
    trial.judge.check(rule, not call.taken and not listed, seen)


async def _let_in(trial: Trial, rule: str, event: Json, **how: object) -> Call:
    """A genuine message is taken and shown."""
    call = await trial.forged(event, **how)
    text = event["data"]["text"]
    listed = call.taken and await trial.shown(lambda all_: any(m.get("text") == text for m in all_), trial.cleo)
    trial.judge.check(rule, listed, "it is not shown" if call.taken else f"answered {call.status}")
    return call


async def signature(trial: Trial) -> None:
    """Only what is signed with the product's secret is the hub's."""
    came = await trial.from_ben()
    await _kept_out(trial, "signature.wrong", came, secrets=[new_secret()])
    await _kept_out(trial, "signature.missing", came, secrets=[])
    await _kept_out(trial, "signature.body", came, tampered=True)
    event = trial.like(came, text=f"Deux signatures {new_id()[:8]}")
    await _let_in(trial, "signature.any", event, secrets=[new_secret(), trial.secret])


async def clock(trial: Trial) -> None:
    """What somebody recorded an hour ago, and what is dated ahead, is not taken."""
    came = await trial.from_ben()
    await _kept_out(trial, "clock.old", came, skew=-_HOUR)
    await _kept_out(trial, "clock.ahead", came, skew=_HOUR)
    sent = await trial.to_ben()
    off = trial.skew(sent.request)
    seen = "sent_at is no time" if off is None else f"sent_at is {off:.0f} s off"
    trial.judge.check("clock.own", off is not None and abs(off) <= 60, seen)


async def rotation(trial: Trial) -> None:
    """A new secret replaces the old one, and then the first one comes back."""
    came, old, new = await trial.from_ben(), trial.secret, new_secret()
    try:
        await trial.driver.secrets(old, new)
        await _let_in(trial, "rotation.new", trial.like(came, text=f"Pendant {new_id()[:8]}"), secrets=[new])
        await trial.driver.secrets(new)
        await _let_in(trial, "rotation.new", trial.like(came, text=f"Après {new_id()[:8]}"), secrets=[new])
        await _kept_out(trial, "rotation.old", came, secrets=[old])
    finally:
        await trial.driver.secrets(old)


async def repeat(trial: Trial) -> None:
    """The hub repeats what it was given no answer to."""
    came, judge = await trial.from_ben(), trial.judge

    def copies(messages: list[Json], text: object) -> int:
        return sum(one.get("text") == text for one in messages)

    text = came.call.data["text"]
    again = await trial.tap.forge(came.call.id, came.call.event)
    listed = copies(await trial.driver.messages(trial.cleo), text)
    judge.check("repeat.once", again.taken and listed == 1, f"answered {again.status}, shown {listed} times")
    judge.check("repeat.answer", again.given == came.call.given, "the second answer has another id")
    lost = f"Perdu {new_id()[:8]}"
    trial.tap.lose = lambda event: event.get("data", {}).get("text") == lost
    await trial.from_ben(lost)
    twice = await trial.eventually(lambda: len(trial.tap.found(lambda one: one.data.get("text") == lost)) > 1)
    listed = copies(await trial.driver.messages(trial.cleo), lost)
    judge.check("repeat.lost", twice and listed == 1, f"shown {listed} times")


async def order(trial: Trial) -> None:
    """Webhooks that overtake one another, as when they come again after a failure."""
    came = await trial.from_ben()
    at = int(came.call.data["order"])
    first, second = f"Un {new_id()[:8]}", f"Deux {new_id()[:8]}"
    await trial.forged(trial.like(came, text=second, order=at + 20))
    await trial.forged(trial.like(came, text=first, order=at + 10))

    def sorted_(messages: list[Json]) -> bool:
        texts = [one.get("text") for one in messages]
        return first in texts and second in texts and texts.index(first) < texts.index(second)

    shown = await trial.shown(sorted_, trial.cleo, came.conversation)
    trial.judge.check("order.messages", shown, "the later one is shown first, or one is missing")
    if "edit" not in trial.able:
        trial.judge.skip("order.edits", "the product does not declare edit")
        return
    newest = f"Corrigé {new_id()[:8]}"
    for text, place in ((newest, at + 40), (f"Ancien {new_id()[:8]}", at + 30)):
        await trial.forged(trial.like(came, event="message.edited", about=came.message, text=text, order=place))
    shown = await trial.shown(lambda all_: any(m.get("text") == newest for m in all_), trial.cleo, came.conversation)
    trial.judge.check("order.edits", shown, "the older correction is shown")


async def future(trial: Trial) -> None:
    """What a newer hub says is no error."""
    came = await trial.from_ben()
    event = trial.like(came, text=f"Champs nouveaux {new_id()[:8]}", a_new_field={"deep": [1]})
    await _let_in(trial, "future.field", event | {"a_new_field": 1})
    call = await trial.forged({"type": "kit.something_new", "timestamp": event["timestamp"], "data": {"a": 1}})
    trial.judge.check("future.event", call.taken, f"answered {call.status}")
    await _let_in(trial, "future.kind", trial.like(came, text=f"Genre {new_id()[:8]}", kind="something_new"))
