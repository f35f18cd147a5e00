"""What a product brings beside its word: signed assertions, identity tokens; each lie is refused by its claim."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

from bridge.errors import Refused
from bridge.networks.connect.accounts import ProofOf
from bridge.networks.connect.users.proofs import TYPE, KeyFile, NationalLogin, Proofs, read_jwks
from bridge.signatures import new_key, read_private, sign
from bridge.vouching import Proof
from tests.connect.make import CLEO, DAN, World

KEY, FOREIGN = (read_private(new_key()) for _ in range(2))
PROVIDER, OTHER = (rsa.generate_private_key(public_exponent=65_537, key_size=2048) for _ in range(2))
ISSUER, CLIENT = "https://auth.example/realms/esante-wallet", "pandalab-client"
NOW = 1_800_000_000
Json = dict[str, Any]


def jwks(*keys: tuple[str, rsa.RSAPrivateKey]) -> bytes:
    every = [json.loads(RSAAlgorithm.to_jwk(key.public_key())) | {"kid": name, "alg": "RS256"} for name, key in keys]
    return json.dumps({"keys": every}).encode()


@pytest.fixture
def proofs(tmp_path: Path) -> Proofs:
    (tmp_path / "jwks.json").write_bytes(jwks(("k1", PROVIDER)))
    national = NationalLogin(ISSUER, CLIENT, KeyFile(tmp_path / "jwks.json"), "eidas2")
    return Proofs("pandalab", [KEY.public_key()], national, lambda: NOW)


def asserted(change: Callable[[Json], object] = lambda claims: None, key: Any = KEY, kind: str = TYPE) -> ProofOf:
    claims: Json = {"iss": "pandalab", "aud": "liaison", "sub": "cleo", "rpps": CLEO, "iat": NOW, "exp": NOW + 300}
    change(claims)
    return ProofOf(kind="assertion", token=sign(json.dumps(claims).encode(), key, kind).decode())


def identity(
    change: Callable[[Json], object] = lambda claims: None, key: Any = PROVIDER, algorithm: str = "RS256",
    kid: str = "k1",
) -> ProofOf:  # fmt: skip
    now = int(time.time())
    claims: Json = {
        "iss": ISSUER, "aud": CLIENT, "sub": f"f:1b2c:8{CLEO}", "preferred_username": f"8{CLEO}",
        "SubjectNameID": f"8{CLEO}", "acr": "eidas2", "iat": now, "exp": now + 240, "azp": CLIENT,
    }  # fmt: skip
    change(claims)
    return ProofOf(kind="national", token=jwt.encode(claims, key, algorithm, headers={"kid": kid}))


def pair(given: ProofOf) -> tuple[str, str]:
    return given.kind, given.token


def refused(proofs: Proofs, given: ProofOf, user: str = "cleo", rpps: str = CLEO) -> str:
    with pytest.raises(Refused) as refusal:
        proofs.judge(pair(given), user, rpps)
    assert (refusal.value.code, refusal.value.field) == ("proof_refused", "proof")
    return refusal.value.about


def test_each_is_as_strong_as_it_is(proofs: Proofs) -> None:
    assert proofs.judge(None, "cleo", CLEO) is Proof.WORD
    assert proofs.judge(pair(asserted()), "cleo", CLEO) is Proof.SIGNED
    assert proofs.judge(pair(identity()), "cleo", CLEO) is Proof.NATIONAL


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("iss", "siilo"), ("aud", "other"), ("aud", ["liaison"]), ("sub", "dan"), ("rpps", DAN), ("exp", NOW + 601),
        ("exp", NOW - 61), ("exp", NOW), ("iat", NOW + 61), ("iat", True), ("exp", "tomorrow"), ("exp", None),
    ],
)  # fmt: skip
def test_an_assertion_that_is_not_about_this_now_for_us(proofs: Proofs, name: str, value: object) -> None:
    assert refused(proofs, asserted(lambda claims: claims.update({name: value}))) in (name, "exp")


def test_an_assertion_that_somebody_else_has_signed(proofs: Proofs) -> None:
    assert refused(proofs, asserted(key=FOREIGN)) == "signature"
    assert refused(proofs, asserted(kind="liaison-federation+jws")) == "signature"
    whole = asserted()
    head, body, end = whole.token.split(".")
    none = base64.urlsafe_b64encode(b'{"alg":"none","typ":"liaison-user+jws"}').rstrip(b"=").decode()
    for token in (f"{head}.{body}.{end[:-4]}AAAA", f"{none}.{body}.", "x" * 40, "é" * 40):
        assert refused(proofs, ProofOf(kind="assertion", token=token)) == "signature"


@pytest.mark.parametrize(
    ("change", "about"),
    [
        ({"iss": "https://other.example"}, "token"), ({"aud": "somebody-else"}, "token"), ({"exp": 1}, "token"),
        ({"azp": "somebody-else"}, "azp"), ({"acr": "eidas1"}, "acr"), ({"acr": "gold"}, "acr"), ({"acr": None}, "acr"),
        ({"preferred_username": f"8{DAN}", "SubjectNameID": f"8{DAN}"}, "rpps"), ({"SubjectNameID": f"8{DAN}"}, "rpps"),
        ({"preferred_username": CLEO, "SubjectNameID": CLEO}, "rpps"), ({"preferred_username": 8}, "rpps"),
        ({"preferred_username": f"3{CLEO}", "SubjectNameID": f"3{CLEO}"}, "rpps"),
    ],
)  # fmt: skip
def test_an_identity_token_that_is_not_hers_for_this_product(proofs: Proofs, change: Json, about: str) -> None:
    assert refused(proofs, identity(lambda claims: claims.update(change))) == about


def test_an_identity_token_that_somebody_else_has_signed(proofs: Proofs) -> None:
    assert refused(proofs, identity(key=OTHER)) == "token"
    assert refused(proofs, identity(kid="k2")) == "signature"
    assert refused(proofs, identity(key="x" * 32, algorithm="HS256")) == "token"
    assert refused(Proofs("pandalab", [], None, lambda: NOW), identity()) == "kind"


def test_a_new_key_of_the_provider_is_read_from_its_file(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "jwks.json"
    path.write_bytes(jwks(("k1", PROVIDER)))
    proofs = Proofs("pandalab", [], NationalLogin(ISSUER, CLIENT, KeyFile(path), "eidas1"), lambda: NOW)
    path.write_bytes(b"half")
    assert refused(proofs, identity(key=OTHER, kid="k2")) == "signature"
    assert "ALARM the keys of Pro Santé Connect" in caplog.text
    assert proofs.judge(pair(identity()), "cleo", CLEO) is Proof.NATIONAL
    path.write_bytes(jwks(("k2", OTHER)))
    assert proofs.judge(pair(identity(key=OTHER, kid="k2")), "cleo", CLEO) is Proof.NATIONAL
    with pytest.raises(ValueError, match="set of keys"):
        read_jwks(b"[]")


async def test_a_product_brings_one_when_it_declares(w: World, proofs: Proofs) -> None:
    w.api.products["pandalab"].judge = Proofs("pandalab", proofs.keys, proofs.national, lambda: NOW).judge
    path = "/users/cleo"
    w.hub.claims._people.accounts.demanded = lambda network: Proof.SIGNED
    w.hub.claims._people.accounts.judged_anew()
    status, answer = await w.call("PUT", path, {"rpps": CLEO})
    assert (status, answer["state"]) == (200, "unproven")
    lie = asserted(lambda claims: claims.update({"sub": "dan"}))
    status, answer = await w.call("PUT", path, {"rpps": CLEO, "proof": lie.model_dump()})
    assert (status, answer["code"]) == (422, "proof_refused")
    assert lie.token not in str(answer)
    status, answer = await w.call("PUT", path, {"rpps": CLEO, "proof": asserted().model_dump()})
    assert (status, answer["state"]) == (200, "active")
    status, answer = await w.call("PUT", path, {"rpps": CLEO})
    assert (status, answer["state"]) == (200, "active")
