"""A responder is asked only about what no CRL covers, and believed only when the authority stands behind it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID

from bridge.errors import Unavailable
from bridge.networks.mail.trust import authority as authorities
from bridge.networks.mail.trust.authority import key_id
from bridge.networks.mail.trust.ocsp import BadAnswer, Ocsp, read_answer
from bridge.networks.mail.trust.trustfeed import Trust
from deploy.world.trust import Authority, Issued, subject
from tests.mail.trust.make import ANNA, BEN, ROWS, Clock, Place, at, authority, foreign

RESPONDER = subject("ocsp.example")


def request(issued: Issued, space: Authority) -> bytes:
    builder = ocsp.OCSPRequestBuilder().add_certificate(issued.certificate, space.intermediate, hashes.SHA1())
    return builder.build().public_bytes(Encoding.DER)


def refusal(answer: bytes, asked: bytes, space: Authority) -> str:
    with pytest.raises(BadAnswer) as bad:
        read_answer(
            answer,
            ocsp.load_der_ocsp_request(asked),
            space.intermediate,
            datetime.now(UTC),
            timedelta(minutes=5),
        )
    return bad.value.code


def test_answers_that_are_not_believed() -> None:
    space = authority()
    asked = request(space.issue(ANNA, key="ec"), space)
    other = request(space.issue(BEN, key="ec"), space)
    operator = space.issue(BEN, key="ec")
    stranger = foreign().issue(RESPONDER, key="ec", usages=[ExtendedKeyUsageOID.OCSP_SIGNING])
    charged = [ExtendedKeyUsageOID.OCSP_SIGNING]
    old = space.issue(RESPONDER, key="ec", usages=charged, valid=(timedelta(days=-9), timedelta(days=-1)))
    assert refusal(b"", asked, space) == "ocsp_unreadable"
    assert refusal(b"<html>", asked, space) == "ocsp_unreadable"
    assert refusal(space.ocsp(other), asked, space) == "ocsp_about_another"
    assert refusal(foreign().ocsp(asked), asked, space) == "ocsp_not_signed_by_authority"
    for by in (operator, stranger, old):
        assert refusal(space.ocsp(asked, by=by), asked, space) == "ocsp_not_signed_by_authority"
    assert refusal(space.ocsp(asked, at=at(hours=2)), asked, space) == "ocsp_out_of_date"
    assert refusal(space.ocsp(asked, at=at(hours=-2)), asked, space) == "ocsp_out_of_date"
    no = ocsp.OCSPResponseBuilder.build_unsuccessful(ocsp.OCSPResponseStatus.TRY_LATER)
    assert refusal(no.public_bytes(Encoding.DER), asked, space) == "ocsp_refused"


@pytest.mark.parametrize("delegated", [False, True])
async def test_an_answer_is_remembered_while_it_lasts(delegated: bool) -> None:
    space, clock = Authority(key="ec"), Clock()
    by = space.issue(RESPONDER, key="ec", usages=[ExtendedKeyUsageOID.OCSP_SIGNING]) if delegated else None
    anna, ben = space.issue(ANNA, key="ec"), space.issue(BEN, key="ec")
    space.revoke(anna)
    asked: list[bytes] = []

    async def ask(request: bytes) -> bytes:
        asked.append(request)
        return space.ocsp(request, by=by)

    found = Ocsp(authorities.Authority(space.bundle), ask, clock)
    issuer = key_id(space.intermediate)
    for _ in range(3):
        await found.look_up(anna.certificate)
        await found.look_up(ben.certificate)
    assert found.status(issuer, anna.certificate.serial_number) == "revoked"
    assert found.status(issuer, ben.certificate.serial_number) == "good"
    assert len(asked) == 2
    clock.now += 3600
    assert found.status(issuer, ben.certificate.serial_number) == "unknown"


async def test_no_answer_leaves_it_unknown() -> None:
    space = authority()

    async def ask(_: bytes) -> bytes:
        raise Unavailable("unreachable")

    found = Ocsp(authorities.Authority(space.bundle), ask, Clock())
    anna = space.issue(ANNA, key="ec").certificate
    await found.look_up(anna)
    await found.look_up(foreign().issue(ANNA, key="ec").certificate)
    assert found.status(key_id(space.intermediate), anna.serial_number) == "unknown"


async def test_the_live_list_asks_a_responder(tmp_path: Path) -> None:
    space, calls = Authority(key="ec"), list[str]()
    anna, ben = space.issue(ANNA, key="ec"), space.issue(BEN, key="ec")
    space.revoke(anna)

    async def serve(request: web.Request) -> web.Response:
        calls.append(request.content_type)
        return web.Response(body=space.ocsp(await request.read()), content_type="application/ocsp-response")

    app = web.Application()
    app.router.add_post("/", serve)
    async with TestServer(app) as server:
        place = Place(tmp_path, ocsp=str(server.make_url("/")))
        (tmp_path / "ca.pem").write_bytes(space.bundle)
        place.publish(ROWS, by=space.signer())
        live = Trust(place.settings)
        await live.refresh()
        assert live.judge(ben.der).code == "revocation_unknown"
        assert (await live.look_up(ben.der)).ok
        assert live.judge(ben.der).ok
        assert (await live.look_up(anna.der)).code == "certificate_revoked"
    assert calls == ["application/ocsp-request"] * 2
    late = space.issue(BEN, key="ec")
    assert (await live.look_up(late.der)).code == "revocation_unknown"


async def test_a_crl_needs_no_responder(tmp_path: Path) -> None:
    space = Authority(key="ec")
    place = Place(tmp_path, ocsp="http://127.0.0.1:9/", crls=[str(tmp_path / "organisations.crl")])
    (tmp_path / "ca.pem").write_bytes(space.bundle)
    place.publish(ROWS, by=space.signer())
    place.crl.write_bytes(space.crl())
    live = Trust(place.settings)
    await live.refresh()
    assert (await live.look_up(space.issue(BEN, key="ec").der)).ok
