"""Scenarios of a hub that is away, busy, or heard and then lost; and what holds for every request and webhook."""

from __future__ import annotations

from liaison.connect import new_id
from liaison.kit.colleagues import Said
from liaison.kit.conformance.front import Fault, Request
from liaison.kit.conformance.trial import Came, Json, Trial
from liaison.kit.people import BEN, GAEL

_WAIT, _LONG = 1, 2  # s, of Retry-After


async def away(trial: Trial) -> None:
    """A user writes while the hub answers otherwise than with 202."""
    judge = trial.judge
    asked = await _through(trial, Fault(lambda one: False, status=503, retry_after=_WAIT), "away.again")
    if len(asked) > 1:
        pause = asked[1].at - asked[0].at
        judge.check("away.wait", pause >= _WAIT - 0.05, f"it came again after {pause:.2f} s instead of {_WAIT} s")
    same = len({(one.id, str(one.body)) for one in asked}) == 1
    judge.check("away.same", same, "the id or the content is another one")
    await _through(trial, Fault(lambda one: False, status=429, retry_after=_WAIT), "away.limit")
    await _lost(trial)
    await _in_order(trial)


async def _through(trial: Trial, fault: Fault, rule: str) -> list[Request]:
    """Whether a message arrives in spite of a fault; the requests by which it was tried."""
    text = f"Malgré tout {new_id()[:8]}"
    fault.match = lambda one: one.has(text=text)
    trial.front.play(fault)
    await trial.driver.write(trial.cleo, text, to=[BEN.person.id])
    arrived = await trial.delivered(lambda one: one.body.text == text)
    asked = trial.front.found(lambda one: one.has(text=text))
    trial.judge.check(rule, arrived, f"{len(asked)} attempts, and the message did not arrive")
    return asked


async def _lost(trial: Trial) -> None:
    """The hub has the message, but its answer does not come back."""
    text = f"Une seule fois {new_id()[:8]}"
    trial.front.play(Fault(lambda one: one.has(text=text)))
    said = await trial.driver.write(trial.cleo, text, to=[BEN.person.id])
    again = await trial.eventually(lambda: len(trial.front.found(lambda one: one.has(text=text))) > 1)
    if again:
        await trial.to_ben(conversation=said["conversation"])  # whatever was said before has arrived before
    copies = sum(one.body.text == text for one in trial.colleagues.delivered)
    seen = f"{copies} messages arrived" if again else "the product never asked again"
    trial.judge.check("away.once", again and copies == 1, seen)


async def _in_order(trial: Trial) -> None:
    """The second of four messages is not taken at first; meanwhile another conversation goes on."""
    judge, first = trial.judge, await trial.to_ben()
    texts = [f"Suite {n} {new_id()[:8]}" for n in (1, 2, 3)]
    trial.front.play(Fault(lambda one: one.has(text=texts[0]), status=503, retry_after=_LONG))
    for text in texts:
        await trial.driver.write(trial.cleo, text, conversation=first.conversation)
    other = f"Ailleurs {new_id()[:8]}"
    await trial.driver.write(trial.cleo, other, to=[GAEL.person.id])
    await trial.eventually(lambda: {other, *texts} <= {one.body.text for one in trial.colleagues.delivered})
    came = [one.body.text for one in trial.colleagues.delivered if one.body.text in (*texts, other)]
    inside = [text for text in came if text != other]
    judge.check("away.order", inside == texts, f"{len(inside)} of {len(texts)} came, or in another order")
    apart = other in came and texts[0] not in came[: came.index(other)]
    judge.check("away.apart", apart, "it came after what had to wait, or not at all")


async def log(trial: Trial) -> None:
    """The product cannot be called for a while, reads the log, and can be called again."""
    came, texts = await trial.from_ben(), [f"Pendant l'absence {n} {new_id()[:8]}" for n in (1, 2, 3)]
    trial.tap.away, before = True, trial.tap.kept_out
    try:
        for text in texts:
            await trial.say(came.chat, Said(text))
        await trial.eventually(lambda: trial.tap.kept_out > before)
        if not await trial.driver.catch_up():
            for rule in ("log.caught", "log.once"):
                trial.judge.skip(rule, "the product does not read the log (POST /catch-up)")
            return
        await _caught(trial, came, texts)
    finally:
        trial.tap.away = False


async def _caught(trial: Trial, came: Came, texts: list[str]) -> None:
    def shown(messages: list[Json]) -> list[str]:
        return [str(one.get("text")) for one in messages if one.get("text") in texts]

    all_of_them = await trial.shown(lambda all_: set(shown(all_)) == set(texts), trial.cleo, came.conversation)
    found = shown(await trial.driver.messages(trial.cleo, came.conversation))
    if not trial.judge.check("log.caught", all_of_them, f"{len(set(found))} of {len(texts)} are shown"):
        return
    trial.tap.away = False
    after = f"De retour {new_id()[:8]}"
    await trial.say(came.chat, Said(after))
    await trial.called(lambda call: call.data.get("text") == after)
    found = shown(await trial.driver.messages(trial.cleo, came.conversation))
    trial.judge.check(
        "log.once", found == texts, f"{len(found)} are shown instead of {len(texts)}, or in another order"
    )


def requests(trial: Trial) -> None:
    """What holds for every request of the whole run."""
    first: dict[str, str] = {}
    twice = [one for one in trial.front.requests if one.id and first.setdefault(one.id, _said(one)) != _said(one)]
    trial.judge.check("request.ids", not twice, f"an id was used again for other content ({len(twice)} times)")
    wrong = [one for one in trial.front.requests if _invalid(one)]
    fields = sorted({str(field) for one in wrong for field in _fields(one)})
    seen = f"{len(wrong)} requests were refused: {', '.join(fields)}"
    trial.judge.check("request.valid", not wrong, seen)


def _said(one: Request) -> str:
    return f"{one.path} {one.body}"


def _invalid(one: Request) -> bool:
    code = one.answer.get("code") if isinstance(one.answer, dict) else None
    return one.status in (400, 415, 422) and code in {"invalid", "invalid_json", "duplicate_key", "bad_json"}


def _fields(one: Request) -> list[str]:
    errors = one.answer.get("errors") or [{"field": one.answer.get("field")}]
    return [f"{error.get('field')}" for error in errors]


def webhooks(trial: Trial) -> None:
    """What holds for every webhook of the whole run."""
    real = trial.tap.found(lambda call: True)
    bad = [call for call in real if not call.taken]
    kinds = sorted({f"{call.type}: {call.status or 'no answer'}" for call in bad})
    trial.judge.check("webhook.taken", not bad, f"{len(bad)} of {len(real)} were not ({', '.join(kinds)})")
    slow = [call for call in real if call.took > trial.limits.answer]
    worst = max((call.took for call in slow), default=0.0)
    trial.judge.check(
        "webhook.fast", not slow, f"{len(slow)} took more than {trial.limits.answer:g} s, one {worst:.1f} s"
    )
