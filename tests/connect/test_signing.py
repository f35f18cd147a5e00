"""Signatures fit the published vector of Standard Webhooks, and the simulator checks them on its own."""

from __future__ import annotations

import json
import time
from base64 import b64encode

import pytest

from bridge.networks.connect.signing import Signer, new_secret, new_token, read_secret
from tests.connect.make import SECRETS, World

# The vector that the reference libraries of Standard Webhooks share.
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
ID = "msg_p5jXN8AQM9LWM0D4loKWxJek"
AT = 1614265330
BODY = b'{"test": 2432232314}'
SIGNATURE = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_the_published_vector() -> None:
    assert Signer([read_secret(SECRET)]).sign(ID, AT, BODY) == SIGNATURE


def test_new_secrets_can_be_read_and_stand_on_a_command_line() -> None:
    assert len({new_token() for _ in range(500)}) == 500
    assert all(token[0].isalpha() and len(token) > 43 for token in (new_token() for _ in range(500)))
    assert len(read_secret(new_secret())) == 32


def test_signing_twice_gives_the_same() -> None:
    signer = Signer([read_secret(SECRET)])
    assert signer.sign(ID, AT, BODY) == signer.sign(ID, AT, BODY) == SIGNATURE


@pytest.mark.parametrize(("ident", "at", "body"), [("x", AT, BODY), (ID, AT + 1, BODY), (ID, AT, b"{}")])
def test_everything_is_signed(ident: str, at: int, body: bytes) -> None:
    assert Signer([read_secret(SECRET)]).sign(ident, at, body) != SIGNATURE


def test_during_a_rotation_both_secrets_sign() -> None:
    first, second = Signer([read_secret(SECRET)]).sign(ID, AT, BODY), Signer([b"x" * 32]).sign(ID, AT, BODY)
    assert Signer([read_secret(SECRET), b"x" * 32]).sign(ID, AT, BODY) == f"{first} {second}"


@pytest.mark.parametrize(
    "secret",
    [
        "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        "whsec_",
        "whsec_***",
        "whsec_" + b64encode(b"x" * 23).decode(),
        "whsec_" + b64encode(b"x" * 65).decode(),
    ],
)
def test_a_bad_secret_is_refused_without_being_quoted(secret: str) -> None:
    with pytest.raises(ValueError) as raised:
        read_secret(secret)
    assert secret.removeprefix("whsec_") not in str(raised.value) or secret == "whsec_"


def test_no_secret_is_no_signer() -> None:
    with pytest.raises(ValueError):
        Signer([])


def _headers(ident: str, at: int, body: bytes, secret: str) -> dict[str, str]:
    signature = Signer([read_secret(secret)]).sign(ident, at, body)
    return {"webhook-id": ident, "webhook-timestamp": str(at), "webhook-signature": signature}


@pytest.mark.parametrize(
    ("late", "secret", "outcome", "status"),
    [
        (0, SECRETS["siilo"], "taken", 200),
        (0, SECRETS["pandalab"], "bad_signature", 401),
        (-400, SECRETS["siilo"], "bad_time", 401),
        (400, SECRETS["siilo"], "bad_time", 401),
    ],
)
async def test_the_far_end_checks(w: World, late: int, secret: str, outcome: str, status: int) -> None:
    person = {"person": "p", "name": "P", "profession": "", "place": "", "rpps": None, "listed": True, "active": True}
    data = {"conversation": "c", "person": person, "typing": True}
    body = json.dumps({"type": "typing", "timestamp": "2026-03-01T08:00:00Z", "data": data}).encode()
    headers = _headers("w-1", int(time.time()) + late, body, secret)
    async with w.client.post(f"http://127.0.0.1:{w.siilo.port}/webhook", data=body, headers=headers) as answer:
        assert answer.status == status
    assert w.siilo.sim.state.events()["outcomes"] == {outcome: 1}


async def test_the_far_end_needs_headers(w: World) -> None:
    async with w.client.post(f"http://127.0.0.1:{w.siilo.port}/webhook", data=b"{}") as answer:
        assert answer.status == 401
    assert w.siilo.sim.state.events()["rejected"] == 1
