"""One run: a hub, what stands around it, the product set up, every scenario, and the lines of the report."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from liaison.kit.conformance import away, changing, holding, talking, trusting
from liaison.kit.conformance.driver import DriverError, TestDriver
from liaison.kit.conformance.front import Front
from liaison.kit.conformance.judge import Judge, Line
from liaison.kit.conformance.rules import rules
from liaison.kit.conformance.tap import Tap
from liaison.kit.conformance.trial import Limits, Silence, Trial
from liaison.kit.hub import Product, serve, small_hub

Scenario = Callable[[Trial], Awaitable[None]]
SCENARIOS: dict[str, Scenario] = {
    "send": talking.send,
    "refused": talking.refused,
    "receive": talking.receive,
    "signature": trusting.signature,
    "clock": trusting.clock,
    "rotation": trusting.rotation,
    "repeat": trusting.repeat,
    "order": trusting.order,
    "future": trusting.future,
    "edit": changing.edit,
    "removal": changing.removal,
    "reaction": changing.reaction,
    "mark": changing.mark,
    "file": changing.file,
    "address": holding.address,
    "urgent": talking.urgent,
    "poll": holding.poll,
    "place": holding.place,
    "mention": holding.mention,
    "thread": holding.thread,
    "group": talking.group,
    "duty": holding.duty,
    "away": away.away,
    "log": away.log,
    "search": talking.search,
    "typing": talking.typing,
}
ALWAYS = ("request", "webhook")
"""Subjects that are judged from all that was seen."""


@dataclass(frozen=True, slots=True)
class Against:
    """The product: its test driver, and where the kit's hub listens. ``public`` is the hub's address as it sees it."""

    driver: str
    token: str
    host: str = "127.0.0.1"
    port: int = 0
    public: str = ""


@asynccontextmanager
async def prepared(against: Against, limits: Limits) -> AsyncIterator[tuple[Trial, str]]:
    """A hub with all that stands around it, and its address. Raises OSError."""
    async with AsyncExitStack() as stack:
        product = Product("http://127.0.0.1:9/")  # until the tap has a port
        tap = await stack.enter_async_context(Tap(product.secret, timeout=max(10.0, 2 * limits.answer)))
        tapped = await stack.enter_async_context(serve(tap.application(), "127.0.0.1", 0))
        product = Product(tapped + "/webhook", product.name, product.token, product.secret)
        hub = await stack.enter_async_context(small_hub(product, timeout=2 * max(10.0, 2 * limits.answer)))
        front = await stack.enter_async_context(Front(hub.url))
        url = await stack.enter_async_context(serve(front.application(), against.host, against.port))
        driver = await stack.enter_async_context(TestDriver(against.driver, against.token))
        trial = Trial(hub, tap, front, driver, Judge(rules()), limits)
        yield trial, url


async def _set_up(trial: Trial, hub: str) -> None:
    """Have the product use the kit's hub. Raises DriverError."""
    product = trial.hub.product
    said = await trial.driver.setup(hub, product.token, [product.secret])
    trial.tap.url = said["webhook"]
    trial.users = {str(rpps): str(ident) for rpps, ident in said["users"].items()}
    await _declared(trial)


async def _declared(trial: Trial) -> None:
    """Wait until the users are known to the hub, and learn what the product is able to. Raises DriverError."""

    def users() -> bool:
        done = {
            one.path.rpartition("/")[2] for one in trial.front.requests if one.method == "PUT" and one.status == 200
        }
        return len(trial.users) == 2 and set(trial.users.values()) <= done

    if not await trial.eventually(users):
        raise DriverError("POST /setup: the users were not declared to the hub (PUT /connect/v1/users/{id})")
    said = [one.answer for one in trial.front.requests if one.path.endswith("/capabilities") and one.status == 200]
    shows = {name for name, on in said[-1].items() if on is True} if said else set()
    trial.able = frozenset(said[-1].get("kinds", [])) | shows if said else frozenset()


async def judged(
    against: Against, limits: Limits, only: Sequence[str] = (), told: Callable[[str], None] = lambda _: None
) -> list[Line]:
    """Run the scenarios (all unless ``only`` names some); ``told`` hears which one begins.

    Raises DriverError, OSError.
    """
    wanted = [name for name in SCENARIOS if not only or name in only]
    async with prepared(against, limits) as (trial, url):
        try:
            await _set_up(trial, against.public or url)
        except DriverError as problem:
            broken = problem  # raised once all has ended: tasks of the hub would wrap it
        else:
            return await _all(trial, wanted, told)
    raise broken


async def _all(trial: Trial, wanted: Sequence[str], told: Callable[[str], None]) -> list[Line]:
    for name in wanted:
        told(name)
        try:
            await SCENARIOS[name](trial)
        except (DriverError, Silence) as problem:
            _not_reached(trial, name, str(problem))
    away.requests(trial)
    away.webhooks(trial)
    return trial.judge.lines([*ALWAYS[1:], *wanted, *ALWAYS[:1]])


def _not_reached(trial: Trial, scenario: str, why: str) -> None:
    """The first line that was not judged is where it broke."""
    for line in trial.judge.lines([scenario]):
        if line.seen.startswith("not reached"):
            trial.judge.check(line.rule.id, False, why)
            return
