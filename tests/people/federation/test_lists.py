"""Lists are read and written alike, the nearest entry decides, and only a pinned key's signature counts."""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, SECP384R1, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from hypothesis import given
from hypothesis import strategies as st

from bridge.people.federation.participants import Capacity, UnusableList, compose, difference, parse
from bridge.people.federation.signed import (
    TYPE,
    new_key,
    public_pem,
    read_private,
    read_public,
    sign,
    thumbprint,
    unsigned,
    verified,
)
from tests.people.federation.make import KEY, OTHER, listed, participant, signed

MADE = listed(7, participant("chu.example"), participant("*.chu.example", Capacity.MATRIX, Capacity.MAIL))


def as_json(**more: Any) -> bytes:
    return json.dumps(json.loads(compose(MADE)) | more).encode()


def test_what_is_written_is_read() -> None:
    assert parse(compose(MADE)) == MADE
    assert compose(parse(compose(MADE))) == compose(MADE)


_labels = st.text("abz09-", min_size=1, max_size=4).filter(lambda label: label.strip("-") == label)


@given(
    st.lists(st.lists(_labels, min_size=2, max_size=4).map(".".join), unique=True, max_size=8), st.integers(1, 2**53)
)
def test_any_list_is_read_as_it_was_written(domains: list[str], sequence: int) -> None:
    made = listed(sequence, *(participant(domain, Capacity.MAIL) for domain in domains))
    assert parse(compose(made)) == made


def test_the_nearest_entry_decides() -> None:
    made = listed(
        1, participant("*.chu.example"), participant("mail.chu.example", Capacity.MAIL),
        participant("*.deep.chu.example"),
        participant("hub.example:8448"),
    )  # fmt: skip
    found = {
        name: one.domain if (one := made.find(name, Capacity.MATRIX)) else None
        for name in (
            "matrix.chu.example", "Matrix.CHU.example", "a.deep.chu.example", "mail.chu.example", "chu.example",
            "hub.example:8448", "hub.example", "x.chu.example:8448", "example", "chu.example.evil.org",
        )
    }  # fmt: skip
    assert found == {
        "matrix.chu.example": "*.chu.example", "Matrix.CHU.example": "*.chu.example",
        "a.deep.chu.example": "*.deep.chu.example", "mail.chu.example": None, "chu.example": None,
        "hub.example:8448": "hub.example:8448", "hub.example": None, "x.chu.example:8448": "*.chu.example",
        "example": None, "chu.example.evil.org": None,
    }  # fmt: skip


def test_what_a_later_version_says_is_no_fault() -> None:
    one = {"domain": "CHU.example", "roles": ["matrix", "teleport"], "operator": "CHU", "region": "ARA"}
    found = parse(as_json(participants=[one], nonce="x"))
    assert found.find("chu.example", Capacity.MATRIX) == participant("chu.example", operator="CHU")


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"format": 2}, "format"),
        ({"sequence": 0}, "sequence"),
        ({"sequence": "many"}, "sequence"),
        ({"issued": "yesterday"}, "issued"),
        ({"issued": "2027-01-15T08:00:00"}, "issued: has no time zone"),
        ({"expires": "2020-01-01T00:00:00Z"}, "expires: is not later than issued"),
        ({"issuer": ""}, "issuer"),
        ({"participants": {}}, "participants"),
        ({"participants": [{"domain": "a.example", "roles": [], "operator": "A"}]}, "participants.0.roles"),
        ({"participants": [{"domain": "a.example", "roles": ["matrix"]}]}, "participants.0.operator"),
        ({"participants": [{"domain": "*", "roles": ["matrix"], "operator": "A"}]}, "participants.0.domain"),
        ({"participants": [{"domain": "a..example", "roles": ["matrix"], "operator": "A"}]}, "participants.0.domain"),
        ({"participants": [{"domain": "a example", "roles": ["matrix"], "operator": "A"}]}, "participants.0.domain"),
        ({"participants": [{"domain": "b.example", "roles": ["matrix"], "operator": "A"}] * 2}, "is there twice"),
    ],
    ids=lambda value: json.dumps(value)[:40] if isinstance(value, dict) else "",
)
def test_a_list_that_cannot_be_used_says_where(more: dict[str, Any], says: str) -> None:
    with pytest.raises(UnusableList, match=says.replace(".", r"\.")):
        parse(as_json(**more))


def test_no_json() -> None:
    for payload in (b"", b"[]", b"{", b"\xff", b"null"):
        with pytest.raises(UnusableList):
            parse(payload)


def test_what_has_changed() -> None:
    new = listed(8, participant("chu.example", Capacity.MAIL), participant("new.example"))
    change = difference(MADE.participants, new.participants)
    assert [one.domain for one in change.new] == ["new.example"]
    assert [one.domain for one in change.gone] == ["*.chu.example"]
    assert [(a.domain, sorted(b.roles)) for a, b in change.changed] == [("chu.example", ["mail"])]


# ---- signatures


def test_a_pinned_key_signs() -> None:
    payload = compose(MADE)
    elliptic = generate_private_key(SECP256R1())
    for key in (KEY, elliptic):
        keys = [OTHER.public_key(), key.public_key()]
        assert verified(sign(payload, key), keys) == payload
        assert verified(sign(payload, key) + b"\n", keys) == payload
        assert unsigned(sign(payload, key)) == payload
    with pytest.raises(UnusableList, match="pinned"):
        verified(sign(payload, OTHER), [KEY.public_key()])


def forged(header: dict[str, Any], signature: bytes = b"") -> bytes:
    parts = (json.dumps(header).encode(), compose(listed(99)), signature)
    return b".".join(urlsafe_b64encode(part).rstrip(b"=") for part in parts)


def test_nothing_else_does() -> None:
    kid, good = thumbprint(KEY.public_key()), signed(MADE)
    head, payload, signature = good.split(b".")
    other = signed(listed(8)).split(b".")
    for bad in (
        forged({"alg": "none", "kid": kid, "typ": TYPE}),
        forged({"alg": "HS256", "kid": kid, "typ": TYPE}, b"x" * 32),  # the public key taken for a shared one
        forged({"alg": "EdDSA", "kid": kid, "typ": TYPE}, b"x" * 64),
        forged({"alg": "EdDSA", "kid": kid, "typ": "JWT"}, b"x" * 64),
        forged({"alg": "EdDSA", "typ": TYPE}),
        b".".join((head, other[1], signature)),
        b".".join((head, payload, other[2])),
        b".".join((head, payload)),
        good[:-4],
        b"",
        b"...",
        b"\xff\xfe",
        good.replace(b".", b"\n", 1),
    ):
        with pytest.raises(UnusableList):
            verified(bad, [KEY.public_key()])


def test_keys_are_read_and_nothing_of_them_is_said() -> None:
    pem = new_key()
    public = read_private(pem).public_key()
    assert thumbprint(read_public(public_pem(public))) == thumbprint(public)
    elliptic = generate_private_key(SECP256R1()).public_key()
    assert thumbprint(read_public(public_pem(elliptic))) == thumbprint(elliptic)
    large = generate_private_key(SECP384R1())
    wrong = [
        b"",
        b"no key",
        pem[:40] + b"x" * 40,
        large.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
    ]
    for text in wrong:
        with pytest.raises(ValueError, match="key") as refusal:
            read_private(text)
        assert "x" * 8 not in str(refusal.value)
    for text in (b"", pem, public_pem(large.public_key())):
        with pytest.raises(ValueError, match="key"):
            read_public(text)


def test_the_thumbprint_is_that_of_the_rfc() -> None:
    """RFC 8037, appendix A.3."""
    x = bytes.fromhex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    assert thumbprint(Ed25519PublicKey.from_public_bytes(x)) == "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"
