"""`liaison conformance`: green on the simulated product, and red at the right line for each mistake of a wrong one."""

from __future__ import annotations

import argparse
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from aiohttp import web

from deploy.world.simulator.mistakes import Mistake, mistaken
from deploy.world.simulator.web import application
from liaison.kit.conformance import command, printing
from liaison.kit.conformance.driver import DriverError
from liaison.kit.conformance.judge import Judge, Line, Verdict, failed
from liaison.kit.conformance.rules import rules
from liaison.kit.conformance.run import ALWAYS, SCENARIOS, Against, judged
from liaison.kit.conformance.trial import Limits
from liaison.kit.hub import serve

TOKEN = "test-driver-token"
PATIENT = Limits(patience=30.0)
BRISK = Limits(patience=8.0)  # where several things do not come

RED = {
    Mistake.TAKES_ANY_SIGNATURE: {"signature.wrong", "signature.missing", "signature.body", "rotation.old"},
    Mistake.TAKES_ANY_TIME: {"clock.old", "clock.ahead"},
    Mistake.KEEPS_OLD_SECRET: {"rotation.old"},
    Mistake.IGNORES_NEW_SECRET: {"rotation.new", "rotation.old"},
    Mistake.TAKES_REPEATS: {"repeat.once", "repeat.answer", "repeat.lost"},
    Mistake.ANSWERS_ANEW: {"repeat.answer"},
    Mistake.SHOWS_BY_ARRIVAL: {"order.messages"},
    Mistake.OLD_EDITS_WIN: {"order.edits"},
    Mistake.REFUSES_NEW_FIELDS: {"future.field"},
    Mistake.REFUSES_NEW_EVENTS: {"future.event"},
    Mistake.DROPS_NEW_KINDS: {"future.kind"},
    Mistake.FAILS_FOR_EVER: {"webhook.taken", "edit.shown", "edit.again"},
    Mistake.ANSWERS_SLOWLY: {"webhook.fast"},
    Mistake.GIVES_NO_ID: {"receive.id"},
    Mistake.IGNORES_EDITS: {"edit.shown", "edit.again"},
    Mistake.IGNORES_REMOVALS: {"removal.shown"},
    Mistake.IGNORES_REACTIONS: {"reaction.shown"},
    Mistake.IGNORES_MARKS: {"mark.shown"},
    Mistake.IGNORES_STATES: {"send.delivered", "send.read"},
    Mistake.IGNORES_MEMBERS: {"group.joined"},
    Mistake.IGNORES_NAMES: {"group.named"},
    Mistake.HIDES_URGENCY: {"urgent.shown"},
    Mistake.HIDES_REFUSALS: {"refused.shown"},
    Mistake.DAMAGES_FILES: {"file.in"},
    Mistake.TAKES_DAMAGED_FILES: {"file.checked"},
    Mistake.FORGETS_READING: {"receive.read"},
    Mistake.READS_BY_ITSELF: {"receive.unread"},
    Mistake.LOSES_REPLIES: {"receive.reply"},
    Mistake.CUTS_TEXT: {"send.arrives"},
    Mistake.CLOCK_AHEAD: {"clock.own"},
    Mistake.GIVES_UP: {"away.again", "away.limit", "away.order"},
    Mistake.HAMMERS: {"away.wait"},
    Mistake.NEW_IDS_AT_REPEAT: {"away.same", "away.once"},
    Mistake.USES_IDS_AGAIN: {"request.ids", "file.out"},
    Mistake.SENDS_AT_ONCE: {"away.order"},
    Mistake.HAS_ONE_QUEUE: {"away.apart"},
    Mistake.IGNORES_LOG: {"log.caught"},
    Mistake.SAYS_UNKNOWN_FIELDS: {"request.valid", "send.accepted"},
    Mistake.HIDES_FUNCTIONS: {"duty.found"},
    Mistake.WRITES_TO_PEOPLE_ONLY: {"duty.reaches"},
    Mistake.HIDES_NOTICES: {"duty.told"},
    Mistake.HIDES_POLLS: {"poll.shown"},
    Mistake.LOSES_VOTES: {"poll.voted", "poll.ended"},
    Mistake.IGNORES_POLL_ENDS: {"poll.ended"},
    Mistake.ASKS_AS_TEXT: {"poll.asked"},
    Mistake.HIDES_PLACES: {"place.shown"},
    Mistake.LOSES_PLACES: {"place.sent"},
    Mistake.HIDES_MENTIONS: {"mention.shown"},
    Mistake.LOSES_MENTIONS: {"mention.sent"},
    Mistake.HIDES_THREADS: {"thread.shown"},
    Mistake.LOSES_THREADS: {"thread.sent"},
    Mistake.FETCHES_NOTHING: {"address.fetched"},
    Mistake.FETCHES_ONCE: {"address.again"},
}
TOGETHER = (
    (Mistake.HIDES_FUNCTIONS, Mistake.HIDES_POLLS, Mistake.HIDES_PLACES, Mistake.HIDES_MENTIONS, Mistake.HIDES_THREADS,
     Mistake.FETCHES_ONCE),
    (Mistake.WRITES_TO_PEOPLE_ONLY, Mistake.LOSES_VOTES, Mistake.LOSES_PLACES, Mistake.LOSES_MENTIONS,
     Mistake.LOSES_THREADS, Mistake.FETCHES_NOTHING),
    (Mistake.HIDES_NOTICES, Mistake.IGNORES_POLL_ENDS, Mistake.ASKS_AS_TEXT),
)  # fmt: skip
"""Mistakes in scenarios that have nothing in common are made at once; each alone in the long run."""
ALONE = [one for one in Mistake if not any(one in group for group in TOGETHER)]
AND = {Mistake.USES_IDS_AGAIN: {"receive"}}
"""Scenarios that a mistake needs beside those of its lines."""


@asynccontextmanager
async def product(*mistakes: Mistake) -> AsyncIterator[Against]:
    """A simulated product with a test driver."""
    simulator = mistaken("pandalab")
    simulator.mistake(*mistakes)
    async with serve(application(simulator, TOKEN), "127.0.0.1", 0) as url:
        yield Against(url + "/liaison-test", TOKEN)


async def red(*mistakes: Mistake, limits: Limits = PATIENT) -> set[str]:
    """The lines that are red with these mistakes, of the scenarios in which they show."""
    subjects = {line.partition(".")[0] for one in mistakes for line in RED[one]}
    subjects |= {scenario for one in mistakes for scenario in AND.get(one, set())}
    only = sorted(subjects - set(ALWAYS)) or ["urgent"]
    async with product(*mistakes) as against:
        return {line.rule.id for line in failed(await judged(against, limits, only))}


def test_every_mistake_has_its_line_and_there_are_enough() -> None:
    assert set(RED) == set(Mistake)
    assert len(RED) >= 15
    assert {line for lines in RED.values() for line in lines} <= set(rules())


def test_every_line_belongs_to_a_scenario() -> None:
    assert {rule.subject for rule in rules().values()} == {*SCENARIOS, *ALWAYS}
    for rule in rules().values():
        assert all(rule.what), rule.id
        assert all(rule.mend), rule.id


async def test_it_is_green_on_the_simulator() -> None:
    heard: list[str] = []
    async with product() as against:
        lines = await judged(against, PATIENT, told=heard.append)
    assert [(line.rule.id, line.seen) for line in lines if line.verdict is not Verdict.PASSED] == []
    assert {line.rule.id for line in lines} == set(rules())
    assert heard == list(SCENARIOS)


@pytest.mark.parametrize("mistake", ALONE, ids=str)
async def test_it_is_red_at_the_right_line_for_each_mistake(mistake: Mistake) -> None:
    assert await red(mistake) == RED[mistake]


@pytest.mark.parametrize("mistakes", TOGETHER, ids=("hidden", "lost", "others"))
async def test_it_is_red_at_the_right_lines_for_mistakes_of_several_kinds(mistakes: Sequence[Mistake]) -> None:
    assert await red(*mistakes, limits=BRISK) == {line for one in mistakes for line in RED[one]}


@pytest.mark.long
@pytest.mark.parametrize("mistake", [one for group in TOGETHER for one in group], ids=str)
async def test_it_is_red_at_the_line_of_one_of_them(mistake: Mistake) -> None:
    assert await red(mistake) == RED[mistake]


# ---- what is told


def lines(*verdicts: Verdict) -> Sequence[Line]:
    some = list(rules().values())[: len(verdicts)]
    return [
        Line(rule, verdict, "seen <b>" if verdict is not Verdict.PASSED else "")
        for rule, verdict in zip(some, verdicts, strict=True)
    ]


MIXED = lines(Verdict.PASSED, Verdict.FAILED, Verdict.SKIPPED)


def test_the_terminal_says_what_to_mend() -> None:
    said = printing.text(MIXED, "fr", colour=False)
    assert "✓ webhook.taken" in said
    assert "✗ webhook.fast" in said
    assert "à corriger: écrivez, répondez" in said
    assert said.rstrip().endswith("1 conformes, 1 à corriger, 1 non vérifiés")
    assert "all is as it should be" in printing.text(lines(Verdict.PASSED), "en", colour=True)
    assert "\x1b[31m✗" in printing.text(MIXED, "en", colour=True)


def test_the_build_server_and_the_page_say_the_same() -> None:
    suite = ET.fromstring(printing.junit(MIXED, "en"))
    assert (suite.get("tests"), suite.get("failures"), suite.get("skipped")) == ("3", "1", "1")
    failure = suite.find("testcase/failure")
    assert failure is not None
    assert "write it down, answer, then work" in (failure.text or "")
    page = printing.page(MIXED, "fr")
    assert "seen &lt;b&gt;" in page
    assert '<tr class="failed">' in page
    assert '<html lang="fr">' in page


def test_a_rule_that_failed_once_has_failed() -> None:
    judge = Judge(rules())
    judge.skip("send.read", "why")
    assert judge.check("send.read", True)
    assert not judge.check("send.read", False, "first")
    assert not judge.check("send.read", False, "second")
    judge.check("send.read", True)
    found = {line.rule.id: line for line in judge.lines(["send"])}
    assert (found["send.read"].verdict, found["send.read"].seen) == (Verdict.FAILED, "first")
    assert found["send.arrives"].verdict is Verdict.SKIPPED


async def asked(tmp_path: Path, *more: str) -> int:
    """The command, as a vendor types it."""
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    return await command.main(parser.parse_args(more))


async def test_the_command_prints_writes_and_ends_with_a_status(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = ["--junit", str(tmp_path / "j.xml"), "--html", str(tmp_path / "r.html"), "--patience", "30"]
    async with product(Mistake.HIDES_URGENCY) as against:
        place = ["--url", against.driver, "--token", TOKEN, "--language", "en"]
        assert await asked(tmp_path, *place, *files, "--only", "urgent", "--only", "search") == 1
        said = capsys.readouterr().out
        assert "✗ urgent.shown" in said
        assert "✓ search.found" in said
        assert ET.parse(tmp_path / "j.xml").getroot().get("failures") == "1"
        assert "urgent.shown" in (tmp_path / "r.html").read_text("utf-8")
        assert await asked(tmp_path, *place, "--only", "search") == 0
        assert await asked(tmp_path, "--url", against.driver, "--token", "wrong") == 2
        assert "answered 401" in capsys.readouterr().err
    assert await asked(tmp_path, "--url", against.driver, "--token", TOKEN) == 2
    assert "POST /setup" in capsys.readouterr().err


async def test_a_test_driver_that_does_half_is_named() -> None:
    async def nothing(request: web.Request) -> web.Response:
        return web.json_response({})

    app = web.Application()
    app.router.add_route("*", "/{rest:.*}", nothing)
    async with serve(app, "127.0.0.1", 0) as url:
        with pytest.raises(DriverError, match="no webhook"):
            await judged(Against(url, "t"), PATIENT)
