"""A world to try one's own client or product against: it is complete, it lasts, and it leaves nothing."""

import asyncio
import imaplib
import os
import signal
import smtplib
import ssl
import stat
import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from appservice.process.settings import MatrixSettings
from bridge.config import Config, read_config, validate
from bridge.networks.mail.leg.settings import MailSettings
from deploy.world.client import RustClient
from deploy.world.product import ProductClient
from deploy.world.waiting import PATIENCE, wait_for
from tests.demo.run import demo, read_endpoints

pytestmark = pytest.mark.peers
Json = dict[str, Any]


class Own:
    """Somebody's own PandaLab: it has the token of the endpoints and nothing else."""

    def __init__(self, endpoints: Json) -> None:
        self._url = endpoints["connect"]["url"]
        self._token = endpoints["connect"]["products"]["pandalab"]["token"]

    async def write(self, text: str, chat: str, to: list[str]) -> str:
        body = {"id": f"own-{uuid.uuid4().hex}", "conversation": chat, "sender": "cleo", "text": text}
        body |= {"to": to, "sent_at": datetime.now(UTC).isoformat()}  # type: ignore[dict-item]
        async with aiohttp.ClientSession() as session:
            url, headers = f"{self._url}/connect/v1/messages", {"Authorization": f"Bearer {self._token}"}
            async with session.post(url, json=body, headers=headers) as answer:
                assert answer.status == 202, await answer.text()
                return str((await answer.json())["id"])

    async def became(self, ident: str, state: str) -> bool:
        async with aiohttp.ClientSession() as session:
            url, headers = f"{self._url}/connect/v1/messages/{ident}", {"Authorization": f"Bearer {self._token}"}
            async with session.get(url, headers=headers) as answer:
                return bool((await answer.json())["state"] == state)


async def status(url: str) -> int:
    try:
        async with aiohttp.ClientSession() as session, session.get(url) as answer:
            return answer.status
    except aiohttp.ClientError:
        return 0


def alive(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


async def check_endpoints(endpoints: Json, state: Path) -> None:
    """Everything that is promised is there, and answers."""
    assert len({server["name"] for server in endpoints["homeservers"]}) == 2
    for server in endpoints["homeservers"]:
        assert await status(f"{server['url']}/_matrix/client/versions") == 200
        assert server["registration_shared_secret"]
        assert "BEGIN CERTIFICATE" in Path(server["ca"]).read_text()
    assert await status(f"{endpoints['hub']['url']}/ready") == 200
    assert await status(f"{endpoints['connect']['url']}/connect/v1/health") == 200
    assert set(endpoints["connect"]["products"]) == {"pandalab", "siilo"}
    for product in endpoints["connect"]["products"].values():
        assert product["token"]
        assert product["webhook_secret"].startswith("whsec_")
        assert await status(product["simulator"]) == 200
    config = read_config(Path(endpoints["hub"]["config"]))
    settings = validate(MatrixSettings, config.matrix, "matrix")
    assert settings.server_name == endpoints["homeservers"][0]["name"]
    assert config.trust.matrix_servers == [server["name"] for server in endpoints["homeservers"]]
    assert endpoints["accounts"]["ben"]["user_id"] in Path(endpoints["people"]).read_text()
    assert Path(endpoints["people"]).parent == state
    await check_mail(endpoints["mail"], config)
    for name in ("endpoints.json", "world.json", "secrets/seal", "secrets/as", "registration.yaml", "hub.yaml"):
        assert stat.S_IMODE((state / name).stat().st_mode) == 0o600, name


async def check_mail(mail: Json, config: Config) -> None:
    """The hub's operator port speaks, anna's mailbox opens, and the configuration names the same files."""
    section = validate(MailSettings, config.networks["mail"], "networks.mail")
    assert section.trust.path == Path(mail["list"])
    assert section.smtp.tls.authority == Path(mail["authority"])
    assert [(team.address, team.name) for team in section.teams] == [(mail["team"]["address"], mail["team"]["name"])]
    assert mail["people"]["Cléo Petit"] == f"cleo.petit@{mail['domain']}"
    for place in (mail["smtp"], mail["anna"]["submission"]):
        host, _, port = place.partition(":")
        with smtplib.SMTP(host, int(port), timeout=PATIENCE) as client:
            assert client.ehlo()[0] == 250
            assert client.has_extn("starttls") == (place == mail["smtp"])
    trusted = ssl.create_default_context(cafile=mail["authority"])
    trusted.check_hostname = False
    host, _, port = mail["anna"]["imaps"].partition(":")
    with imaplib.IMAP4_SSL(host, int(port), ssl_context=trusted, timeout=PATIENCE) as box:
        box.login(mail["anna"]["address"], mail["anna"]["password"])
        assert box.select("INBOX")[0] == "OK"


async def test_a_world_lasts_and_leaves_nothing(tmp_path: Path) -> None:
    state = tmp_path / "state"
    with demo(tmp_path, "up", "--state", state) as run:
        endpoints = await run.endpoints(state)
        await check_endpoints(endpoints, state)
        await second_run_is_turned_away(tmp_path, state)
        chat = await people_write(endpoints, state)
        last = read_endpoints(state)["hub"]["pid"]

        assert await run.stop() == 0
        assert run.left() == []
        assert not alive(last)
        assert not (state / "endpoints.json").exists()

    with demo(tmp_path, "up", "--state", state) as run:
        again = await run.endpoints(state)
        assert [entry.name for entry in state.glob("before-*")] == [], run.said  # the world was not begun anew
        same = ("homeservers", "connect", "people", "accounts", "mail")
        assert {name: again[name] for name in same} == {name: endpoints[name] for name in same}
        async with ProductClient("siilo", again["connect"]["products"]["siilo"]["simulator"]) as siilo:
            await Own(again).write("Encore là", chat, [])
            assert (await siilo.wait_text("dan", "Encore là"))["sender"]["name"] == "Cléo Petit"
        assert await run.stop() == 0
        assert run.left() == []


async def second_run_is_turned_away(tmp_path: Path, state: Path) -> None:
    folder = tmp_path / "second"
    folder.mkdir()
    with demo(folder, "up", "--state", state) as second:
        assert await second.end(30) == 2
        assert "in use" in second.said


async def people_write(endpoints: Json, state: Path) -> str:
    """An own client and an own product write to one another, before and after the hub was killed."""
    own, chat = Own(endpoints), f"own-{uuid.uuid4().hex}"
    account = endpoints["accounts"]["ben"]
    ben = await RustClient.start(account["homeserver"], account["user_id"], account["password"])
    async with ben:
        written = await own.write("Bonjour", chat, [f"matrix:{ben.user_id}", "siilo:dan"])
        room = await ben.wait_room(lambda one: one["membership"] == "invite")
        assert await own.became(written, "accepted")  # it waits in the hub for whoever is invited
        await ben.join(room)
        await wait_for(lambda: own.became(written, "delivered"), "the message to be with everybody")
        assert (await ben.wait_text(room, "Bonjour"))["shield_colour"] == 0
        first = endpoints["hub"]["pid"]
        os.kill(first, signal.SIGKILL)
        await ben.send(room, "Reçu")
        second = await wait_for(lambda: _other_pid(state, first), "another hub")
        assert alive(second)
        await wait_for(lambda: _ready(endpoints), "the hub to be ready")
        await own.write("Toujours là", chat, [])
        await ben.wait_text(room, "Toujours là")
    async with ProductClient("siilo", endpoints["connect"]["products"]["siilo"]["simulator"]) as siilo:
        for text in ("Bonjour", "Reçu", "Toujours là"):
            await siilo.wait_text("dan", text)
        assert len(await siilo.arrived("dan")) == 3
    return chat


async def _other_pid(state: Path, pid: int) -> int | None:
    now = int(read_endpoints(state)["hub"]["pid"])
    return now if now != pid else None


async def _ready(endpoints: Json) -> bool:
    return await status(f"{endpoints['hub']['url']}/ready") == 200


@pytest.mark.parametrize("after", [0.3, 2.5])
async def test_a_start_that_is_broken_off_leaves_nothing(tmp_path: Path, after: float) -> None:
    with demo(tmp_path, "up") as run:
        await asyncio.sleep(after)
        assert await run.stop() != 0

        async def nobody() -> bool:  # the mail servers' own children follow a moment later
            return not run.left()

        await wait_for(nobody, "everybody to be gone")


async def test_nothing_outlives_a_demo_that_is_killed(tmp_path: Path) -> None:
    with demo(tmp_path, "up") as run:

        async def under_way() -> bool:
            return len(run.left()) > 3

        await wait_for(under_way, "some servers to be there")
        run.process.kill()
        await run.end()

        async def nobody() -> bool:
            return not run.left()

        await wait_for(nobody, "everybody to be gone")
