"""The secure-mail space of the demo: what the hub is told of it is valid, and believed by the hub's own judge."""

from __future__ import annotations

import json
import os
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from bridge.config import read_config
from bridge.model import File
from bridge.networks.mail import documents
from bridge.networks.mail.leg.settings import MailSettings
from bridge.networks.mail.trust.trustfeed import Trust
from deploy.demo.mail_story import LABORATORY, RESULT
from deploy.world.mail_space import ANNA, DOMAIN, TEAM, UNLISTED, Space
from deploy.world.postfix import Postfix
from deploy.world.state_directory import OPERATORS, StateDirectory
from deploy.world.world import World


@pytest.fixture
def space(tmp_path: Path) -> Iterator[Space]:
    state = StateDirectory(tmp_path)
    kept, _ = state.open()
    space = Space(state, kept, ["rpps:10001001014"])
    yield space
    for operator in space.operators.values():
        shutil.rmtree(operator.directory, ignore_errors=True)
    state.release()


def der(operator: Postfix) -> bytes:
    chain = x509.load_pem_x509_certificates(operator.identity.certificate.read_bytes())
    return chain[0].public_bytes(Encoding.DER)


async def test_the_hub_believes_the_list_and_the_operators(space: Space) -> None:
    settings = MailSettings.model_validate(space.section())
    trust = Trust(settings.trust)
    await trust.start()
    try:
        assert not trust.stale
        assert {DOMAIN, *OPERATORS} == {domain for domain in (DOMAIN, *OPERATORS, UNLISTED) if trust.knows(domain)}
        for domain, operator in space.operators.items():
            verdict = trust.judge(der(operator))
            assert verdict.code is None
            assert verdict.domains == {domain}
    finally:
        await trust.stop()


def test_ports_are_the_kept_ones(space: Space) -> None:
    settings = MailSettings.model_validate(space.section())
    assert settings.smtp.port == space.port
    routes = {domain: f"127.0.0.1:{operator.port}" for domain, operator in space.operators.items()}
    assert settings.smtp.sending.routes == routes
    ports = [space.port, *(p for o in space.operators.values() for p in (o.port, o.submission, o.imaps))]
    assert len(set(ports)) == 7


def test_the_endpoints_say_all_that_is_needed(space: Space) -> None:
    told = json.loads(json.dumps(space.endpoints(["Cléo Petit", "Ben Durand"])))
    assert told["people"] == {"Cléo Petit": f"cleo.petit@{DOMAIN}", "Ben Durand": f"ben.durand@{DOMAIN}"}
    assert told["anna"]["address"] == ANNA
    assert told["team"]["address"] == TEAM
    assert told["smtp"] == f"127.0.0.1:{space.port}"
    files = [one[kind] for one in told["operators"].values() for kind in ("certificate", "key")]
    for path in (told["authority"], told["list"], *files):
        assert Path(path).exists()
    assert "BEGIN CERTIFICATE" in Path(told["authority"]).read_text()


def test_keys_are_ours_alone(space: Space) -> None:
    for key in (space.key, *(operator.identity.key for operator in space.operators.values())):
        assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert stat.S_IMODE(space.directory.stat().st_mode) == 0o700


def test_mailboxes_are_at_the_operator_of_their_domain(space: Space) -> None:
    for address in (ANNA, LABORATORY):
        assert space.mailbox(address).address == address
    with pytest.raises(KeyError):
        space.mailbox(f"eve@{UNLISTED}")


def test_the_result_of_the_story_is_a_plain_one() -> None:
    reading = documents.read([File("resultat.hpr", "application/octet-stream", RESULT)])
    assert reading.problems == ()
    assert len(reading.cards) == 1
    assert "Hors limites : 2 sur 3" in reading.cards[0].text


@pytest.mark.peers
async def test_operators_serve_under_a_strict_umask(space: Space) -> None:
    """The demo's files are its own alone; the mail servers' other users must get at theirs all the same."""
    before = os.umask(0o077)
    try:
        await space.begin()
        assert os.umask(0o077) == 0o077
        await space.ready()
        anna, laboratory = space.mailbox(ANNA), space.mailbox(LABORATORY)
        await laboratory.send(laboratory.compose([ANNA], "Bonjour", "d'un opérateur à l'autre"))
        assert "d'un opérateur" in (await anna.wait()).get_content()
    finally:
        os.umask(before)
        await space.stop()


@pytest.mark.peers
async def test_a_start_that_is_broken_off_ends_clean(space: Space) -> None:
    await space.begin()
    await space.stop()
    for operator in space.operators.values():
        assert not operator.directory.exists()


def test_a_world_without_mail_says_nothing_of_it(tmp_path: Path) -> None:
    """Who is not root has the rest."""
    state = StateDirectory(tmp_path)
    kept, _ = state.open()
    world = World(state, kept, print, mail=False)
    assert set(read_config(world.hub.config).networks) == {"connect"}
    assert "mail" not in world.endpoints()
    with pytest.raises(RuntimeError, match="no mail"):
        _ = world.mail
    state.release()
