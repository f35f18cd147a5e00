"""A hub is killed (SIGKILL) at each step of the mail leg, both ways: what was handed over arrives, and arrives once."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from bridge.networks.mail import leg
from bridge.networks.mail.mime.mail import Mail, parse
from deploy.world.ports import free_port
from deploy.world.waiting import PATIENCE
from tests.mail.hub import ANNA, CLEO, CLEO_BOX, DAN, PEER, TEAM, Written
from tests.mail.leg.child import Act, Job
from tests.mail.smtp.peer import Peer
from tests.mail.smtp.stub_operator import Stub
from tests.mail.space import Space

MARK = re.compile(r"\b(?:lu|dit)-[0-9]+\b")
MAILBOX = f"mailto:{ANNA}"
TWO = (f"paul@{PEER}", f"rose@{PEER}")


def around(*names: str) -> list[str]:
    """Both failpoints of transactions."""
    return [f"{name}.{side}" for name in names for side in ("before-commit", "after-commit")]


# (failpoint, what is done so that it is reached)
IN = [
    *((name, "") for name in around("mail.take", "hub.accept", "courier.sent")),
    *((name, "") for name in ("mail.taken", "mail.settled", "courier.after-deliver")),
    *((name, "report") for name in around("mail.settled")),
    *((name, "new") for name in around("hub.introduce")),
    *((name, "twice") for name in around("hub.again")),
    *((name, "asks") for name in around("mail.report", "courier.told")),
]
OUT = [
    *((name, "") for name in around("hub.accept", "mail.draft", "courier.sent", "mail.post", "mail.outcome")),
    *((name, "") for name in ("mail.drafted", "courier.after-deliver", "mail.posted")),
    *((name, "") for name in ("mail.data.before", "mail.data.after", "mail.sent")),
    *((name, "") for name in around("hub.sign", "mail.told", "courier.told")),
    ("mail.outcome.after-commit", "two"),
    *((name, "new") for name in around("mail.box")),
    *((name, "later") for name in around("mail.later")),
    *((name, "edit") for name in around("mail.correction")),
    *((name, "late") for name in around("mail.correction", "courier.sent")),
    *((name, "back") for name in around("mail.taken-back")),
    *((name, "broken") for name in around("mail.unwritten")),
    *((name, "internal") for name in around("mail.internal")),
    *((name, "handled") for name in around("mail.handled")),
    *((name, "undone") for name in around("mail.unhandled")),
    ("mail.posted", ""),  # corrections that waited leave with this one
]
# A mailbox is lost between two tries of a mail: no life here loses one. An operator hurries nothing here.
NOT_YET = {*around("mail.lost"), *around("mail.hurry")}
AGAIN = {"mail.data.after", "mail.sent", "mail.outcome.before-commit"}  # the operator has it, nobody has noted that
SOME = {"mail.take.after-commit", "hub.accept.after-commit", "mail.draft.after-commit", "mail.post.before-commit",
        "mail.data.after", "mail.outcome.before-commit"}  # fmt: skip


LEFT = Act("avant", "salon tardif", "déjà lu", to=(MAILBOX,))  # what is corrected after its mail has left


@dataclass
class Lives:
    """Runs one hub after the other, all on one database and one port."""

    process: Process
    url: str
    space: Space
    folder: Path
    operator: Stub
    port: int = field(default_factory=free_port)
    shown: dict[str, dict[str, Any]] = field(default_factory=dict)  # by delivery, however often it came
    said: set[str] = field(default_factory=set)
    told: dict[str, list[str]] = field(default_factory=dict)  # by the act's ref: its recipients' states
    errors: list[str] = field(default_factory=list)
    answers: list[str] = field(default_factory=list)
    acts: list[Act] = field(default_factory=list)
    peers: set[asyncio.Task[None]] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.anna = self.space.party(f"mail.{PEER}", PEER)
        self.operator.context = self.space.server_context(self.anna)

    async def life(
        self, failpoint: str = "", acts: Sequence[Act] = (), mails: Sequence[Mailed] = (), how: str = ""
    ) -> None:
        """One life, until it is over; it dies of its failpoint, or ends by itself if there is none."""
        assert self.process.stdin is not None
        again = tuple(act for act in self.acts if act.ref not in self.said)
        quiet = 0.5 if how in ("back", "edit") else 0.05  # there must be time to correct it, or to take it back
        job = Job(self.url, self._settings(quiet), self.anna.dn, failpoint, again, tuple(acts))
        self.acts += acts
        self.process.stdin.write(job.line())
        await self._until("settled", failpoint)
        await self._handed_in()  # what is repeated is taken now
        if not failpoint:
            self._begin(mails)
            await self._handed_in()
        self.operator.replies = {"RCPT": "451 4.3.0 later"} if how == "later" else {}
        self.process.stdin.write(b"go\n")
        if failpoint:
            await self._until("armed", failpoint)
            self._begin(mails)
        status = await self._until("died", failpoint)
        self.operator.replies = {}
        assert status == (-signal.SIGKILL if failpoint else 0), failpoint

    def _begin(self, mails: Sequence[Mailed]) -> None:
        self.peers |= {asyncio.create_task(self._hand_in(mail)) for mail in mails}

    async def _handed_in(self) -> None:
        async with asyncio.timeout(PATIENCE):
            await asyncio.gather(*self.peers)
        self.peers.clear()

    async def _hand_in(self, mail: Mailed) -> None:
        """As operators do: again and again until it was taken."""
        context, reply = self.space.client_context(self.anna), ""
        while not reply.startswith("250"):
            with suppress(OSError):
                async with Peer(self.port) as peer:
                    await peer.tls(context)
                    await peer.say(f"MAIL FROM:<{ANNA}>")
                    await peer.say(f"RCPT TO:<{mail.to}>{' NOTIFY=SUCCESS' if mail.asks else ''}")
                    reply = await peer.data(mail.raw)
            await asyncio.sleep(0.02)
        self.answers.append(reply)

    async def _until(self, word: str, failpoint: str) -> Any:
        assert self.process.stdout is not None
        last: list[Any] = []
        try:
            async with asyncio.timeout(PATIENCE):
                while last[:1] != [word]:
                    last = json.loads(await self.process.stdout.readline())
                    self._note(*last)
                    assert word == "died" or last[0] != "died", f"ended before {failpoint}: {self.errors}"
        except TimeoutError:
            pytest.fail(f"{failpoint} is unreached" if word == "died" else f"not {word} before {failpoint}")
        return last[1]

    def _note(self, word: str, value: Any) -> None:
        if word == "shown":
            assert self.shown.setdefault(value["id"], value) == value, "one delivery, two contents"
        elif word == "told":
            self.told[value["ref"]] = value["states"]
        elif word == "said":
            self.said.add(value)
        elif word == "error":
            self.errors.append(value)

    def _settings(self, quiet: float) -> dict[str, Any]:
        sending = {"routes": {PEER: f"127.0.0.1:{self.operator.port}"}}
        authority = str(self.space.bundle)
        return {
            "smtp": self.space.settings(port=self.port, sending=sending).model_dump(mode="json"),
            "trust": {"path": authority, "authority": authority, "state": f"{self.folder}/trust", "crls": ["/crl"]},
            "gather": {"quiet": quiet, "longest": 1.0},
            "retry": {"pauses": [0.05]},
            "teams": [{"address": TEAM, "name": "Cardiologie", "members": [f"rpps:{CLEO}", f"rpps:{DAN}"]}],
        }

    def found(self, part: str) -> list[dict[str, Any]]:
        """What the product shows with these words."""
        return [one for one in self.shown.values() if part in one["text"]]


@dataclass(frozen=True, slots=True)
class Mailed:
    """A mail that the peer hands in."""

    raw: bytes
    to: str = CLEO_BOX
    asks: bool = False  # for a report of its delivery


UNKNOWN = (  # a receipt for a mail that nobody here has sent
    f"From: {ANNA}\r\nTo: {CLEO_BOX}\r\nSubject: Lu\r\nMessage-ID: <read{{}}@{PEER}>\r\nMIME-Version: 1.0\r\n"
    "Content-Type: multipart/report; report-type=disposition-notification; boundary=b\r\n\r\n--b\r\n\r\nLu.\r\n--b\r\n"
    f"Content-Type: message/disposition-notification\r\n\r\nFinal-Recipient: rfc822;{ANNA}\r\n"
    "Original-Message-ID: <nobody@elsewhere.example>\r\nDisposition: manual-action/MDN-sent-manually; displayed\r\n"
    "--b--\r\n"
)


def handed(number: int, how: str) -> list[Mailed]:
    """What the peer does in a life: one mail of Anna's thread, or of somebody new, or one that was taken already."""
    if how == "report":
        return [Mailed(UNKNOWN.format(number).encode())]
    if how == "twice":
        return handed(1, "")
    sender = f"Nouveau {number} <nouveau{number}@{PEER}>" if how == "new" else f"Anna Martin <{ANNA}>"
    cited = [f"in0@{PEER}"] if how != "new" and number else []
    written = Written(f"lu-{number}", sender=sender, mid=f"in{number}@{PEER}", replies=cited)
    return [Mailed(written.raw(), asks=how == "asks")]


def spoken(number: int, how: str, team: dict[str, Any]) -> list[Act]:
    """What is said in the product in a life."""
    ref, text = f"m{number}", f"dit-{number}"
    plain = Act(ref, "salon", text, to=(MAILBOX,))
    if how == "edit":
        wrong = Act(f"w{number}", "salon", "faux", to=(MAILBOX,))
        return [wrong, Act(ref, "salon", text, kind="edit", about=wrong.ref)]
    if how == "late":
        return [Act(ref, LEFT.chat, text, kind="edit", about=LEFT.ref)]
    if how == "back":
        return [plain, Act(f"r{number}", "salon", "", kind="removal", about=ref)]
    if how == "new":
        return [Act(ref, f"salon {number}", text, by=("ines", "jules")[number % 2], to=(MAILBOX,))]
    if how == "two":
        return [Act(ref, "salon à deux", text, to=tuple(f"mailto:{box}" for box in TWO))]
    if how == "broken":
        return [Act(ref, "salon", f"/xdm\n{text}", to=(MAILBOX,), broken=True)]
    if how == "internal":
        return [Act(ref, team["chat"], text)]
    if how == "handled":
        return [Act(ref, team["chat"], "✅", kind="reaction", about=team["id"])]
    if how == "undone":
        return [Act(ref, team["chat"], "", kind="removal", about=f"m{number - 2}")]
    return [plain]


@pytest.fixture(scope="module")
def space() -> Iterator[Space]:
    made = Space()
    yield made
    shutil.rmtree(made.directory)


@asynccontextmanager
async def lives(url: str, space: Space, folder: Path) -> AsyncIterator[Lives]:
    """The process that forks hubs, and the operator to whom they send."""
    async with AsyncExitStack() as stack:
        operator = await stack.enter_async_context(Stub().listening())
        command = [sys.executable, "-m", "tests.mail.leg.child"]
        env = {**os.environ, "LIAISON_FAILPOINT": "none:1"}  # which one, each life is told
        process = await asyncio.create_subprocess_exec(*command, stdin=PIPE, stdout=PIPE, stderr=DEVNULL, env=env)
        found = Lives(process, url, space, folder, operator)
        try:
            yield found
        finally:
            for peer in found.peers:
                peer.cancel()
            if process.returncode is None:
                process.kill()  # its hub ends with it
            await process.communicate()


def tried(steps: Sequence[tuple[str, str]], url: str) -> list[tuple[str, str]]:
    """All of the steps on SQLite, some of them on PostgreSQL."""
    return [step for step in steps if url.startswith("sqlite") or step[0] in SOME]


def sent(operator: Stub) -> list[tuple[Mail, int]]:
    """The mails that the operator has and how often each; what came twice is the same to the byte."""
    found = [(parse(raw.removesuffix(b".\r\n")), times) for raw, times in Counter(operator.mails).items()]
    assert len({mail.message_id for mail, _ in found}) == len(found), "one Message-ID, two contents"
    return found


@pytest.mark.real_time
async def test_a_mail_in_arrives_once(url: str, space: Space, tmp_path: Path) -> None:
    steps = tried(IN, url)
    async with lives(url, space, tmp_path) as world:
        await world.life(mails=handed(0, ""))
        for number, (failpoint, how) in enumerate(steps, 1):
            await world.life(failpoint, mails=handed(number, how))
        await world.life()
        fresh = [n for n, (_, how) in enumerate([("", ""), *steps]) if how not in ("twice", "report")]
        seen = [mark for one in world.shown.values() for mark in MARK.findall(one["text"])]
        assert seen == [f"lu-{n}" for n in fresh]
        assert len(world.answers) == 1 + len(steps)
        # A report may be under way whenever the hub is killed: handed over and not noted, it comes once more.
        reports = [(mail.report is not None, times <= 2) for mail, times in sent(world.operator)]
        assert reports == [(True, True)] * sum(how == "asks" for _, how in steps)
        assert world.errors == []


@pytest.mark.real_time
async def test_a_message_leaves_in_one_mail(url: str, space: Space, tmp_path: Path) -> None:
    steps = tried(OUT, url)
    async with lives(url, space, tmp_path) as world:
        await world.life(mails=[team_mail(n) for n in range(2)])
        world.acts.append(LEFT)
        await world.life()
        teams = world.found("pour l'équipe")
        assert len(teams) == 2
        for number, (failpoint, how) in enumerate(steps):
            await world.life(failpoint, spoken(number, how, teams[number % 2]), how=how)
        await world.life()
        check_mails(steps, sent(world.operator))
        assert world.told == dict(states(steps)) | {LEFT.ref: ["sent None"]}
        given = [sum(f"TO:<{box}>" in line for line in world.operator.said) for box in TWO]
        assert sorted(given) == ([1, 1] if ("mail.outcome.after-commit", "two") in steps else [0, 0])
        late = [one["chat"] for one in world.found("L'ancien texte est déjà parti")]
        assert late.count(LEFT.chat) == sum(how == "late" for _, how in steps)
        for word, wanted in (("Pris en charge", "handled"), ("Rouvert par", "undone")):
            threads = [one["thread"] for one in world.found(word)]
            assert len(threads) == len(set(threads)) == sum(how == wanted for _, how in steps)
        assert world.errors == []


def team_mail(number: int) -> Mailed:
    """A mail that a team gets."""
    return Mailed(Written(f"pour l'équipe {number}", to=[TEAM], mid=f"team{number}@{PEER}").raw(), TEAM)


def states(steps: Sequence[tuple[str, str]]) -> Iterator[tuple[str, list[str]]]:
    """What the product is told in the end of each text that was written in it."""
    late = [number for number, (_, how) in enumerate(steps) if how == "late"]
    for number, (_, how) in enumerate(steps):
        if how == "edit":
            yield f"w{number}", ["sent None"]
        elif number in late[:-1]:  # the last correction leaves, and waits for a mail
            yield f"m{number}", ["refused corrected"]
        elif how not in ("handled", "undone", "late"):
            special = {"broken": "refused xdm_unreadable", "back": "refused taken_back", "internal": "delivered None"}
            state = special.get(how, "sent None")
            yield f"m{number}", [state] * (2 if how == "two" else 1)


def check_mails(steps: Sequence[tuple[str, str]], mails: Sequence[tuple[Mail, int]]) -> None:
    """Each message in one mail, which the operator has once, or twice where nobody had noted that it has it."""
    found: dict[str, list[int]] = defaultdict(list)
    for mail, times in mails:
        for mark in MARK.findall(mail.text):
            found[mark].append(times)
    leave = {n: step for n, step in enumerate(steps) if step[1] in ("", "two", "new", "later", "edit")}
    assert found == {f"dit-{n}": [2 if name in AGAIN else 1] for n, (name, how) in leave.items()}


def test_every_step_of_the_mail_leg_is_tried() -> None:
    source = "".join(path.read_text() for path in Path(leg.__path__[0]).glob("*.py"))
    steps = {*re.findall(r'failpoint\("(.+?)"\)', source), *around(*re.findall(r'transaction\("(.+?)"', source))}
    assert len(steps) > 33
    assert steps - NOT_YET <= {name for name, _ in [*IN, *OUT]}
    assert {name for name, _ in [*IN, *OUT]} >= SOME >= AGAIN - {"mail.sent"}
