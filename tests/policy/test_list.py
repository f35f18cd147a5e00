"""The signed list inside the module: whom it lets in, and what is refused. The hub's own command has made the lists."""

from __future__ import annotations

import base64
import json
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from bridge.people.federation.participants import Capacity, FederationList, Participant, compose
from bridge.people.federation.participants import parse as parse_in_the_hub
from bridge.people.federation.signed import PrivateKey, new_key, public_pem, read_private, sign, thumbprint
from liaison_policy import signed
from liaison_policy.gate import Gate, GateMissing, close
from liaison_policy.kept import KeptList
from liaison_policy.listed import MATRIX, parse
from liaison_policy.reasons import Refusal
from liaison_policy.servers import Servers
from liaison_policy.signed import UnusableList, verified

NOW = 1_800_000_000
DAY = 86_400
KEY = read_private(new_key())
OTHER = read_private(new_key())
CURVE = ec.generate_private_key(ec.SECP256R1())
PINNED = [signed.read_public(public_pem(key.public_key())) for key in (KEY, CURVE)]


def listed(sequence: int, domains: Sequence[str], *, days: int = 30, key: PrivateKey = KEY, issued: int = NOW) -> bytes:
    """Of homeservers; a name with a + has another role."""
    who = {
        name.lstrip("+"): Participant(
            name.lstrip("+"), frozenset({Capacity.MAIL if name.startswith("+") else Capacity.MATRIX}), "CHU"
        )
        for name in domains
    }
    return sign(compose(FederationList(sequence, issued, issued + days * DAY, "ANS", who)), key)


class Kept:
    """A list with its files and its clock."""

    def __init__(self, folder: Path) -> None:
        self.now = float(NOW)
        self.offered, self.kept = folder / "offered.jws", folder / "state/kept.jws"
        self.list = self.again()

    def again(self) -> KeptList:
        return KeptList(self.offered, self.kept, PINNED, lambda: self.now)

    def offer(self, data: bytes) -> None:
        self.offered.write_bytes(data)
        self.list.look()


@pytest.fixture
def kept(tmp_path: Path) -> Kept:
    return Kept(tmp_path)


@pytest.mark.parametrize("key", [KEY, CURVE])
def test_what_the_hub_signs_is_verified_here(key: PrivateKey) -> None:
    made = listed(3, ["chu.example"], key=key)
    assert parse(verified(made, PINNED)).sequence == 3
    assert signed.thumbprint(signed.read_public(public_pem(key.public_key()))) == thumbprint(key.public_key())


def unsigned_part(data: Mapping[str, object]) -> bytes:
    return base64.urlsafe_b64encode(json.dumps(data).encode()).rstrip(b"=")


def forged() -> dict[str, bytes]:
    good = listed(3, ["chu.example"])
    head, body, end = good.split(b".")
    kid = thumbprint(KEY.public_key())
    public = KEY.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    as_secret = jwt.PyJWS(algorithms=["HS256"]).encode(
        b"{}", public, algorithm="HS256", headers={"kid": kid, "typ": signed.TYPE}
    )
    header = {"alg": "EdDSA", "kid": kid, "typ": signed.TYPE}
    return {
        "another's key": listed(3, ["chu.example"], key=OTHER),
        "another's key under our name": unsigned_part(header) + b"." + listed(3, ["x"], key=OTHER).partition(b".")[2],
        "changed": b".".join([head, unsigned_part({"format": 1}), end]),
        "no signature": b".".join([head, body, b""]),
        "alg none": b".".join([unsigned_part({**header, "alg": "none"}), body, b""]),
        "public key as secret": as_secret.encode(),
        "crit": b".".join([unsigned_part({**header, "crit": ["x"]}), body, end]),
        "other type": b".".join([unsigned_part({**header, "typ": "JWT"}), body, end]),
        "header is a list": b".".join([base64.urlsafe_b64encode(b"[]").rstrip(b"="), body, end]),
        "spaces inside": b".".join([head, body[:4] + b" " + body[4:], end]),
        "empty": b"",
        "not even dots": b"x" * 100,
        "deep": b".".join([base64.urlsafe_b64encode(b"[" * 100_000).rstrip(b"="), body, end]),
    }


@pytest.mark.parametrize("name", forged())
def test_a_forged_list_is_refused(name: str) -> None:
    with pytest.raises(UnusableList):
        verified(forged()[name], PINNED)


def test_a_list_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signed, "MOST_BYTES", 10)
    with pytest.raises(UnusableList, match="larger"):
        verified(listed(1, ["a.example"]), PINNED)


def test_a_key_is_ed25519_or_p256() -> None:
    wrong = ec.generate_private_key(ec.SECP384R1()).public_key()
    for pem in (b"", b"-----BEGIN", wrong.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)):
        with pytest.raises(ValueError, match="key"):
            signed.read_public(pem)


NAMES = ["chu.example", "*.ghu.example", "+ward.ghu.example", "+mail.example", "host.example:8448"]


@pytest.mark.parametrize(
    "server",
    ["chu.example", "CHU.example", "a.ghu.example", "a.b.ghu.example:8448", "ghu.example", "ward.ghu.example", "x.org",
     "mail.example", "host.example:8448", "host.example", "host.example:1", "", "a..b", "xn--chu.example",
     "*.ghu.example"],
)  # fmt: skip
def test_the_module_and_the_hub_answer_alike(server: str) -> None:
    payload = verified(listed(1, NAMES), PINNED)
    here, there = parse(payload), parse_in_the_hub(payload)
    assert here.allows(server) == (there.find(server, Capacity.MATRIX) is not None)
    assert Capacity.MATRIX.value == MATRIX


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"format": 2}, "format"), ({"sequence": 0}, "sequence"), ({"expires": "2020-01-01T00:00:00Z"}, "expires"),
        ({"issued": "2027-01-15T08:00:00"}, "time zone"), ({"participants": [{"domain": "a b"}]}, "participants"),
        ({"participants": [{"domain": "a.b", "roles": ["matrix"], "operator": "x"}] * 2}, "twice"),
        ({"issuer": ""}, "issuer"),
    ],
)  # fmt: skip
def test_what_a_list_must_hold(change: dict[str, object], words: str) -> None:
    good = json.loads(verified(listed(1, ["chu.example"]), PINNED))
    with pytest.raises(UnusableList, match=words):
        parse(json.dumps({**good, **change}).encode())


def test_fields_and_roles_of_a_later_version_are_let_be() -> None:
    good = json.loads(verified(listed(1, ["chu.example"]), PINNED))
    good["participants"][0] |= {"roles": ["matrix", "carrier-pigeon"], "colour": "blue"}
    assert parse(json.dumps({**good, "more": 1}).encode()).allows("chu.example")


def test_a_list_is_taken_and_kept(kept: Kept) -> None:
    assert not kept.list.allows("chu.example")
    kept.offer(listed(1, ["chu.example"]))
    assert kept.list.allows("chu.example")
    assert kept.kept.stat().st_mode & 0o777 == 0o600
    again = kept.again()
    kept.offered.unlink()
    again.load()
    assert again.allows("chu.example")
    assert not again.allows("x.org")


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        (listed(1, ["evil.example"]), "older"),
        (listed(2, ["evil.example"]), "number 2, too"),
        (listed(3, ["evil.example"], key=OTHER), "not signed by a key"),
        (listed(3, ["evil.example"], days=1, issued=NOW - 2 * DAY), "ended"),
        (listed(3, ["evil.example"], issued=NOW + DAY), "future"),
        (b"rubbish", "no signed list"),
    ],
)
def test_a_refused_list_is_loud_and_changes_nothing(
    kept: Kept, caplog: pytest.LogCaptureFixture, bad: bytes, words: str
) -> None:
    kept.offer(listed(2, ["chu.example"]))
    for _ in range(2):  # at each look
        caplog.clear()
        kept.offer(bad)
        assert any("ALARM" in line and words in line for line in caplog.messages)
    assert kept.list.allows("chu.example")
    assert not kept.list.allows("evil.example")
    caplog.clear()
    kept.offer(listed(2, ["chu.example"]))
    assert not caplog.records, "what is in use is offered again: all is well"


def test_an_older_list_is_refused_after_a_start_too(kept: Kept) -> None:
    kept.offer(listed(5, ["chu.example"]))
    kept.offered.write_bytes(listed(4, ["evil.example"]))
    again = kept.again()
    again.load()
    assert again.allows("chu.example")
    assert not again.allows("evil.example")


def test_past_its_end_nobody_takes_part(kept: Kept, caplog: pytest.LogCaptureFixture) -> None:
    kept.offer(listed(1, ["chu.example"], days=30))
    kept.now += 24 * DAY
    kept.list.look()
    assert "ends in 144 h" in caplog.text
    kept.now += 6 * DAY
    assert not kept.list.allows("chu.example"), "at once, not with the next look"
    kept.list.look()
    assert "has ended" in caplog.text
    servers = Servers("home.example", [], kept.list)
    with pytest.raises(Refusal, match="list_ended"):
        servers.check("chu.example")
    again = kept.again()
    again.load()
    assert not again.allows("chu.example")
    kept.offer(listed(2, ["chu.example"], issued=int(kept.now)))
    assert kept.list.allows("chu.example")


def test_a_file_that_is_away_changes_nothing(kept: Kept, caplog: pytest.LogCaptureFixture) -> None:
    kept.list.load()
    assert "there is no list yet" in caplog.text
    kept.offer(listed(1, ["chu.example"]))
    kept.offered.unlink()
    kept.list.look()
    assert kept.list.allows("chu.example")
    assert "No such file" in caplog.text


def test_a_kept_file_that_is_spoilt_opens_nothing(kept: Kept, caplog: pytest.LogCaptureFixture) -> None:
    kept.kept.parent.mkdir()
    kept.kept.write_bytes(b"spoilt")
    kept.list.load()
    assert "cannot be used" in caplog.text
    assert not kept.list.allows("chu.example")


def test_what_cannot_be_kept_is_not_used(
    kept: Kept, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left on device")))
        kept.offer(listed(1, ["chu.example"]))
    assert not kept.list.allows("chu.example")
    assert "No space left" in caplog.text
    kept.list.look()
    assert kept.list.allows("chu.example"), "tried again"


def test_servers_of_the_configuration_and_of_the_list(kept: Kept, caplog: pytest.LogCaptureFixture) -> None:
    kept.offer(listed(1, ["chu.example", "+mail.example", "*.ghu.example"]))
    servers = Servers("Home.example", ["Own.example", "*.lab.example"], kept.list)
    for server in ("home.example", "HOME.EXAMPLE", "own.example", "a.lab.example", "chu.example", "x.ghu.example"):
        servers.check(server)
    for server in ("mail.example", "lab.example", "x.org", ""):
        with pytest.raises(Refusal, match="server_not_listed"):
            servers.check(server)
    assert sorted(servers.names()) == ["*.ghu.example", "chu.example", "own.example"]
    nothing = Servers("home.example", [], None)
    assert nothing.allows("home.example")
    assert not nothing.allows("chu.example")
    assert list(nothing.names()) == []


class Config:
    """As much of Synapse's as the gate touches."""

    def __init__(self) -> None:
        self.federation_domain_whitelist: object = None

    def is_domain_allowed_according_to_federation_whitelist(self, domain: str) -> bool:
        return self.federation_domain_whitelist is None or domain in self.federation_domain_whitelist  # type: ignore[operator]


class Deaf(Config):
    """A Synapse that would look elsewhere."""

    def is_domain_allowed_according_to_federation_whitelist(self, domain: str) -> bool:
        return True


def inside(config: object) -> object:
    return type("Api", (), {"_hs": type("Hs", (), {"config": type("All", (), {"federation": config})()})()})()


def test_the_gate_is_what_synapse_asks() -> None:
    config, gate = Config(), Gate(lambda server: server == "chu.example", lambda: iter(["chu.example"]))
    close(inside(config), gate)
    assert config.is_domain_allowed_according_to_federation_whitelist("chu.example")
    assert not config.is_domain_allowed_according_to_federation_whitelist("x.org")
    assert "chu.example" in gate
    assert None not in gate  # Synapse asks about a request without an origin, too
    assert list(gate) == ["chu.example"]
    assert gate, "not taken for no list at all"


@pytest.mark.parametrize("api", [object(), inside(None), inside(object()), inside(Deaf())])
def test_a_gate_that_cannot_be_closed_ends_the_start(api: object) -> None:
    with pytest.raises(GateMissing):
        close(api, Gate(lambda server: False, lambda: iter(())))


def test_twenty_thousand_domains_are_asked_without_a_search() -> None:
    many = parse(verified(listed(1, [f"h{n}.example" for n in range(20_000)]), PINNED))
    assert len(many.domains) == 20_000
    assert many.allows("h19999.example")
    assert not many.allows("a.b.c.h19999.example")
    logging.getLogger(__name__).debug("%s", many)
    assert "h1.example" not in repr(many)
