"""CRLs: believed when the authority signed them, kept through outages, never replaced by older or partial ones."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from bridge.networks.mail.trust import authority as authorities
from bridge.networks.mail.trust.fetching import FileSource, WebSource
from bridge.networks.mail.trust.kept_list import Shelf
from bridge.networks.mail.trust.revocation import BadCrl, Revocation, read_crl
from deploy.world.trust import Authority, subject
from tests.mail.trust.make import ANNA, BEN, Clock, at, authority, certificate, foreign

PINNED = authorities.Authority(authority().bundle)


def own() -> Authority:
    """An authority that this test may revoke at."""
    return Authority(key="ec")


def files(folder: Path, *names: str) -> list[FileSource]:
    return [FileSource(folder / name, largest=1_000_000) for name in names or ("one.crl",)]


def revocation(space: Authority, folder: Path, clock: Clock, *names: str) -> Revocation:
    pinned = authorities.Authority(space.bundle)
    return Revocation(pinned, files(folder, *names), Shelf(folder / "state"), clock, grace=3600.0)


def stale(found: Revocation) -> bool:
    return found.stale


def refusal(data: bytes) -> str:
    with pytest.raises(BadCrl) as bad:
        read_crl(data, PINNED, datetime.now(UTC))
    return bad.value.code


def test_a_crl_in_der_and_in_pem() -> None:
    der = authority().crl(serials=[7, 8])
    pem = x509.load_der_x509_crl(der).public_bytes(Encoding.PEM)
    for form in (der, pem):
        crl, again = read_crl(form, PINNED, datetime.now(UTC))
        assert (crl.serials, again) == (frozenset([7, 8]), der)


def test_crls_that_are_not_believed() -> None:
    assert refusal(b"") == "crl_unreadable"
    assert refusal(b"<html>404</html>") == "crl_unreadable"
    assert refusal(b"-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n") == "crl_unreadable"
    assert refusal(authority().crl()[:-9]) == "crl_unreadable"
    assert refusal(foreign().crl()) == "crl_not_signed_by_authority"
    assert refusal(authority().crl(delta=True)) == "crl_is_a_delta"
    assert refusal(authority().crl(at=at(hours=-2))) == "crl_of_the_future"
    changed = bytearray(authority().crl(serials=[123456789]))
    where = changed.index((123456789).to_bytes(4, "big"))
    changed[where] ^= 1
    assert refusal(bytes(changed)) == "crl_not_signed_by_authority"


async def test_a_revoked_certificate(tmp_path: Path) -> None:
    space, clock = own(), Clock()
    anna, ben = space.issue(ANNA, key="ec"), space.issue(BEN, key="ec")
    found = revocation(space, tmp_path, clock)
    assert stale(found)
    assert found.status(anna.certificate) == "unknown"
    space.revoke(anna)
    (tmp_path / "one.crl").write_bytes(space.crl())
    await found.refresh()
    assert not stale(found)
    assert found.revoked(anna.certificate)
    assert not found.revoked(ben.certificate)
    assert found.status(ben.certificate) == "good"


async def test_the_certificate_of_another_authority_is_unknown(tmp_path: Path) -> None:
    """Same issuer's name, another key: our CRL says nothing about it."""
    (tmp_path / "one.crl").write_bytes(authority().crl())
    found = revocation(authority(), tmp_path, Clock())
    await found.refresh()
    assert found.status(foreign().issue(ANNA, key="ec").certificate) == "unknown"
    assert found.status(foreign().root) == "unknown"
    assert found.status(certificate(ANNA).certificate) == "good"


async def test_a_revoked_intermediate_takes_all_with_it(tmp_path: Path) -> None:
    space = own()
    (tmp_path / "one.crl").write_bytes(space.crl())
    (tmp_path / "root.crl").write_bytes(space.root_crl(revoke_intermediate=True))
    found = revocation(space, tmp_path, Clock(), "one.crl", "root.crl")
    await found.refresh()
    assert len(found.crls) == 2
    assert found.revoked(space.issue(ANNA, key="ec").certificate)


async def test_without_sources_nothing_is_revoked(tmp_path: Path) -> None:
    found = Revocation(PINNED, [], Shelf(tmp_path), Clock())
    await found.load()
    await found.refresh()
    assert not stale(found)
    assert found.status(certificate(ANNA).certificate) == "good"


async def test_the_last_good_one_stays_through_outages_and_restarts(tmp_path: Path) -> None:
    space, clock = own(), Clock()
    anna, ben = space.issue(ANNA, key="ec"), space.issue(BEN, key="ec")
    space.revoke(anna)
    place = tmp_path / "one.crl"
    place.write_bytes(space.crl(lasts=timedelta(hours=2)))
    before = revocation(space, tmp_path, clock)
    await before.refresh()
    place.unlink()
    await before.refresh()
    assert before.troubles == {str(place): "unreadable"}
    after = revocation(space, tmp_path, clock)
    await after.load()
    for found in (before, after):
        assert found.revoked(anna.certificate)
        assert found.status(ben.certificate) == "good"


async def test_past_its_end_and_grace_nobody_is_good_any_more(tmp_path: Path) -> None:
    space, clock = own(), Clock()
    anna, ben = space.issue(ANNA, key="ec"), space.issue(BEN, key="ec")
    space.revoke(anna)
    (tmp_path / "one.crl").write_bytes(space.crl(lasts=timedelta(hours=2)))
    found = revocation(space, tmp_path, clock)
    await found.refresh()
    clock.now += 2.5 * 3600
    assert not stale(found)
    assert found.status(ben.certificate) == "good"
    clock.now += 3600
    assert stale(found)
    assert found.status(ben.certificate) == "unknown"
    assert found.status(anna.certificate) == "revoked"
    again = revocation(space, tmp_path, clock)
    await again.load()
    assert again.status(anna.certificate) == "revoked"
    assert stale(again)


async def test_an_older_crl_does_not_give_anybody_back(tmp_path: Path) -> None:
    space, clock = own(), Clock()
    anna = space.issue(ANNA, key="ec")
    place = tmp_path / "one.crl"
    older = space.crl(at=at(hours=5))
    space.revoke(anna)
    place.write_bytes(space.crl())
    found = revocation(space, tmp_path, clock)
    await found.refresh()
    place.write_bytes(older)
    await found.refresh()
    assert found.troubles == {str(place): "crl_rollback"}
    assert found.revoked(anna.certificate)


async def test_a_bad_crl_on_the_shelf_is_left_alone(tmp_path: Path) -> None:
    found = revocation(authority(), tmp_path, Clock())
    Shelf(tmp_path / "state").write("crl-0000.der", b"garbage")
    await found.load()
    assert found.crls == []


async def test_a_crl_over_http_is_asked_for_again_only_if_changed(tmp_path: Path) -> None:
    space, clock = own(), Clock()
    asked: list[str | None] = []
    answers = [space.crl()]

    async def serve(request: web.Request) -> web.Response:
        asked.append(request.headers.get("If-None-Match"))
        if asked[-1] == '"v1"':
            return web.Response(status=304)
        return web.Response(body=answers[0], headers={"ETag": '"v1"'})

    app = web.Application()
    app.router.add_get("/organisations.crl", serve)
    async with TestServer(app) as server:
        url = str(server.make_url("/organisations.crl"))
        source = WebSource(url, None, clock, largest=100_000)
        found = Revocation(authorities.Authority(space.bundle), [source], Shelf(tmp_path), clock)
        await found.refresh()
        await found.refresh()
    assert asked == [None, '"v1"']
    assert found.status(space.issue(subject("x.example"), key="ec").certificate) == "good"
    await found.refresh()
    assert found.troubles == {url: "unreachable"}
    assert not stale(found)


async def test_an_endless_answer_is_cut(tmp_path: Path) -> None:
    async def serve(request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse()
        await answer.prepare(request)
        for _ in range(100):
            await answer.write(b"x" * 65_536)
        return answer

    app = web.Application()
    app.router.add_get("/", serve)
    async with TestServer(app) as server:
        source = WebSource(str(server.make_url("/")), None, Clock(), largest=100_000)
        found = Revocation(PINNED, [source], Shelf(tmp_path), Clock())
        await found.refresh()
    assert list(found.troubles.values()) == ["too_large"]
