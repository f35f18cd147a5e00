"""What a real Synapse shows of its settings: with the shipped ones nothing is to be mended."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import yaml
from aiohttp import web
from aiohttp.test_utils import TestServer

from appservice.process.checking.homeserver import check
from appservice.process.registration import registration, to_yaml
from appservice.process.settings import MatrixSettings
from bridge.config import MatrixListenSettings
from deploy.world.certificates import Authority
from deploy.world.ports import free_port
from deploy.world.synapse import Options, Synapse, start_all
from tests.matrix.stories.lacking import Lack, Lacking, another_id, no_device, unknown, untold, without

pytestmark = [pytest.mark.peers, pytest.mark.asyncio(loop_scope="module")]
SHIPPED = Path(__file__).parents[3] / "homeserver_config/homeserver.liaison.yaml"
BARE = {
    "experimental_features": {},
    "require_auth_for_profile_requests": False,
    "presence": {"enabled": True},
    "enable_registration": True,
    "enable_registration_without_verification": True,
    "rc_reports": {"per_second": 1, "burst_count": 5},
    "max_upload_size": "50M",
}


class Site:
    """A homeserver and the section of a hub for it."""

    def __init__(self, folder: Path, settings: Mapping[str, Any]) -> None:
        self.synapse = Synapse(folder, Authority(folder / "ca"), options=Options(settings=settings))
        self.address = f"http://127.0.0.1:{free_port()}"

    def section(self, **other: Any) -> MatrixSettings:
        """As it is right, with something different."""
        right = {"homeserver": self.synapse.url, "server_name": self.synapse.name, "address": self.address}
        return MatrixSettings(**{**right, "as_token": "as", "hs_token": "hs", **other})

    def register(self, name: str = "liaison", **other: Any) -> None:
        """Into the files of the homeserver, with something different."""
        made = registration(self.section(), "as", "hs") | {"id": name} | other
        path = self.synapse.directory / f"{name}.yaml"
        path.write_text(to_yaml(made))
        self.synapse.registrations.append(path)


def claims(*prefixes: str) -> dict[str, Any]:
    """Namespaces for a registration."""
    return {"users": [{"exclusive": True, "regex": f"@{prefix}.*"} for prefix in prefixes]}


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("appservice.process.checking.pushes._PATIENCE", 1.5)
    monkeypatch.setattr("appservice.process.checking.homeserver._HANDSHAKE", 1.0)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def sites(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[Site, Site]]:
    """One homeserver with the shipped settings, one with everything left out or turned round."""
    shipped = yaml.safe_load(SHIPPED.read_text())
    del shipped["app_service_config_files"]
    good, bare = Site(tmp_path_factory.mktemp("good"), shipped), Site(tmp_path_factory.mktemp("bare"), BARE)
    good.register()
    bare.register(rate_limited=True, receive_ephemeral=False, namespaces=claims("rpps_", "mss_", "medecin_"))
    bare.register("sms", as_token="sms", hs_token="sms", sender_localpart="sms", namespaces=claims("medecin_"))
    try:
        await start_all(good.synapse, bare.synapse)
        yield good, bare
    finally:
        await good.synapse.stop()
        await bare.synapse.stop()


async def test_with_the_shipped_settings_nothing_is_to_be_mended(sites: tuple[Site, Site]) -> None:
    good, bare = sites
    findings = await check(good.section(), trusted=[bare.synapse.name])
    assert [str(finding) for finding in findings if not finding.ok and "reaches localhost" not in finding.what] == []
    assert len(findings) >= 18


async def test_without_them_every_line_is_named(sites: tuple[Site, Site]) -> None:
    findings = await check(sites[1].section())
    said = "\n".join(finding.mend for finding in findings if not finding.ok)
    for line in (
        "require_auth_for_profile_requests: true",
        "presence: {enabled: false}", "enable_registration: false", "rate_limited: false",
        "encryption_enabled_by_default_for_room_type: invite", "msc4222_enabled: true", "receive_ephemeral: true",
        "msc3202_transaction_extensions: true", "max_upload_size",
    ):  # fmt: skip
        assert line in said, said


@pytest.mark.parametrize(
    ("other", "what", "mend"),
    [
        ({"hs_token": "another"}, "its token", "the same hs_token in both files"),
        ({"as_token": "another"}, "as_token", "liaison registration"),
        ({"server_name": "other.example"}, "server_name", "the homeserver says"),
        ({"homeserver": "http://127.0.0.1:1"}, "answers at", "nobody listens there"),
        ({"id": "other"}, "reaches the hub", "matrix.id is other"),
        ({"address": "http://127.0.0.1:9"}, "reaches the hub", "the url of the registration"),
        ({"ghost_prefix": "medecin_"}, "@medecin_", "no users namespace"),
    ],
)
async def test_what_only_synapse_decides_is_named(
    sites: tuple[Site, Site], other: dict[str, str], what: str, mend: str
) -> None:
    findings = await check(sites[0].section(**other))
    assert any(what in f.what and mend in f.mend for f in findings if not f.ok), [str(f) for f in findings]


async def test_https_on_its_plain_port_is_named_soon(sites: tuple[Site, Site]) -> None:
    [finding] = await check(sites[0].section(homeserver=sites[0].synapse.url.replace("http", "https")))
    assert "write http://" in finding.mend


async def test_another_program_at_the_url_of_the_registration_is_named(sites: tuple[Site, Site]) -> None:
    good = sites[0]
    async with TestServer(web.Application(), port=int(good.address.rpartition(":")[2])):
        findings = await check(good.section())
    assert any("another program answers (404)" in f.mend for f in findings), [str(f) for f in findings]


async def test_another_appservice_with_our_namespace_is_named(sites: tuple[Site, Site]) -> None:
    findings = await check(sites[1].section(ghost_prefix="medecin_"))
    assert any("another appservice claims @medecin_" in f.mend for f in findings), [str(f) for f in findings]


MSC4133 = "uk.tcpip.msc4133"


def _without_fields(versions: dict[str, Any]) -> None:
    versions["versions"] = [one for one in versions["versions"] if one < "v1.16"]
    versions["unstable_features"].pop(f"{MSC4133}.stable", None)


def _old_rooms(answer: dict[str, Any]) -> None:
    answer["capabilities"]["m.room_versions"]["available"] = {"9": "stable", "10": "stable"}


MOST = {"no devices without a login": 4, "no device messages": 2}
"""How much is named, where one lack has several consequences."""

LACKS = {
    "no application services": (Lack("/v3/", 401, {"errcode": "M_UNKNOWN_TOKEN"}), "carries no hub"),
    "no devices without a login": (unknown("PUT .*/devices/"), "carries no ghosts with keys"),
    "no device beside a ghost": (Lack("whoami", asked=no_device), "MSC4326"),
    "no keys of application services": (unknown("keys/upload"), "nobody could encrypt for a ghost"),
    "a password for cross-signing": (Lack("device_signing", 401, {"flows": []}), "needs no password (MSC4190"),
    "signatures that are dropped": (Lack("signatures/upload", 200, {}), "clients warn of every message"),
    "no device messages": (Lack("sendToDevice", 200, {}), "everything written to it stays unreadable"),
    "device messages that are not synced": (without("GET .*/sync", "to_device"), "have to be in /sync"),
    "no counts of keys": (without("GET .*/sync", "one_time_keys_count"), "they run out"),
    "nothing of fallback keys": (without("GET .*/sync", "fallback"), "MSC2732"),
    "no memory of transaction ids": (Lack("PUT .*/send/fr.liaison.check", asked=another_id), "is there twice"),
    "no account data": (unknown("account_data"), "keys could be used twice"),
    "no authenticated media": (unknown("v1/media/config"), "no file comes out of a room"),
    "no threads": (unknown("/threads"), "said in threads"),
    "no ping": (unknown("/ping"), "knows no ping"),
    "no custom fields": (Lack("/versions", answer=_without_fields), "not shown in profiles"),
    "no new room versions": (Lack("/capabilities", answer=_old_rooms), "room_version"),
    "no state after a sync": (
        Lack("GET .*/sync", asked=lambda url: url.replace("use_state_after", "x")),
        "msc4222_enabled",
    ),
    "no bell for keys": (untold("to_device"), "msc2409_to_device_messages_enabled"),
    "no bell for devices": (untold("msc3202"), "msc3202_transaction_extensions"),
}


AT_ONCE = (
    "signatures that are dropped", "no counts of keys", "nothing of fallback keys", "no memory of transaction ids",
    "no account data", "no authenticated media", "no threads", "no custom fields", "no new room versions",
    "no state after a sync", "no bell for keys", "no bell for devices",
)  # fmt: skip


async def lacking(site: Site, *names: str) -> list[str]:
    """What is to be mended at a real Synapse behind a proxy that takes some things away: no other make is to be had."""
    own = free_port()
    front = Lacking([LACKS[name][0] for name in names], site.synapse.url, site.address, f"http://127.0.0.1:{own}")
    async with front:
        findings = await check(site.section(homeserver=front.url), MatrixListenSettings(port=own))
    return [str(one) for one in findings if one.mend]


async def test_what_another_make_of_homeserver_lacks_is_named(sites: tuple[Site, Site]) -> None:
    said = await lacking(sites[0], *AT_ONCE)
    assert [name for name in AT_ONCE if not any(LACKS[name][1] in one for one in said)] == [], said
    assert len(said) == len(AT_ONCE)


@pytest.mark.long
@pytest.mark.parametrize("name", LACKS)
async def test_each_lack_is_named_alone(sites: tuple[Site, Site], name: str) -> None:
    said = await lacking(sites[0], name)
    assert any(LACKS[name][1] in one for one in said), said
    assert len(said) <= MOST.get(name, 1), said
