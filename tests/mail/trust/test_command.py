"""`liaison trust` says what is known and why something is refused."""

from __future__ import annotations

import argparse
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID

from bridge.networks.mail.trust import command
from bridge.networks.mail.trust.trustfeed import Trust
from deploy.world.trust import Authority, Issued, Row
from tests.mail.trust.make import ANNA, BEN, EVE, ROWS, Clock, Place, at, authority, certificate, foreign, many


def run(place: Place, *arguments: str, clock: Clock | None = None) -> int:
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    return command.main(parser.parse_args(arguments), place.settings, clock or Clock())


def said(capsys: pytest.CaptureFixture[str]) -> str:
    return capsys.readouterr().out


async def loaded(place: Place, rows: list[Row] | None = None) -> Trust:
    place.publish(rows or ROWS, at(hours=2))
    live = Trust(place.settings)
    await live.refresh()
    return live


def written(folder: Path, issued: Issued) -> str:
    return str(issued.write(folder, "peer")[0])


async def test_show(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = Place(tmp_path)
    live = await loaded(place)
    assert live.list is not None
    assert run(place) == 0
    assert run(place, "show") == 0
    text = said(capsys)
    assert "Domaines        2" in text
    assert "Certificats     2" in text
    assert live.list.digest in text
    assert "signature.liste.example" in text
    assert "contact" not in text


def test_without_a_list(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(Place(tmp_path)) == 2
    assert "no verified trust list yet" in said(capsys)


async def test_show_says_that_the_last_refresh_was_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = Place(tmp_path)
    live = await loaded(place)
    place.list.write_bytes(b"<html/>")
    await live.refresh()
    assert run(place) == 1
    text = said(capsys)
    assert "Domaines        2" in text  # of the one that stays
    assert "sans succès depuis le" in text
    assert "What came is not a trust list." in text


async def test_a_first_list_that_is_refused_says_why(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = Place(tmp_path)
    place.list.write_bytes(b"garbage")
    await Trust(place.settings).refresh()
    assert run(place) == 2
    assert "What came is not XML in UTF-8." in said(capsys)


async def test_show_says_when_it_is_stale(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place, clock = Place(tmp_path), Clock()
    await loaded(place)
    clock.now += 73 * 3600
    assert run(place, clock=clock) == 1
    assert "trop ancienne" in said(capsys)
    assert run(place, "why", "anna.sante.example", clock=clock) == 1


async def test_an_authority_that_cannot_be_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = Place(tmp_path)
    await loaded(place)
    (tmp_path / "ca.pem").unlink()
    assert run(place) == 2
    assert "FileNotFoundError" in said(capsys)


async def test_a_kept_list_that_was_tampered_with(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = Place(tmp_path)
    await loaded(place)
    kept = place.settings.state / "list.xml"
    kept.write_bytes(kept.read_bytes().replace(b"ben.sante", b"eve.sante"))
    assert run(place, "why", "eve.sante.example") == 2
    assert "changed after it was signed" in said(capsys)


async def test_why_a_listed_domain(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = Place(tmp_path)
    await loaded(place)
    for asked in ("anna.sante.example", "ANNA.sante.example", "doctor@anna.sante.example"):
        assert run(place, "why", asked) == 0
        text = said(capsys)
        assert "CN=smtp.anna.example" in text
        assert "CN=smtp.ben.example" in text


@pytest.mark.parametrize("asked", ["ana.sante.example", "service.anna.sante.example", "sante.example"])
async def test_why_not_with_what_may_have_been_meant(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], asked: str
) -> None:
    place = Place(tmp_path)
    await loaded(place)
    assert run(place, "why", asked) == 1
    text = said(capsys)
    assert "no wildcard" in text
    assert "  anna.sante.example\n" in text


async def test_why_not_without_anything_near(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = Place(tmp_path)
    await loaded(place)
    assert run(place, "why", "mail.invalid") == 1
    assert "proches" not in said(capsys)
    assert run(place, "why", "no domain") == 1
    assert "no domain name" in said(capsys)


async def test_check_a_good_certificate(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = Place(tmp_path)
    await loaded(place)
    path = written(tmp_path, certificate(BEN))
    assert run(place, "check", path) == 0
    assert "  anna.sante.example\n  ben.sante.example\n" in said(capsys)
    assert run(place, "check", path, "--domain", "ben.sante.example") == 0
    der = tmp_path / "peer.der"
    der.write_bytes(certificate(BEN).der)
    assert run(place, "check", str(der)) == 0


async def test_check_for_a_domain(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = Place(tmp_path)
    await loaded(place)
    path = written(tmp_path, certificate(ANNA))
    assert run(place, "check", path, "--domain", "ben.sante.example") == 1
    assert "does not let this certificate speak" in said(capsys)
    assert run(place, "check", path, "--domain", "eve.sante.example") == 1
    assert "not in the trust list" in said(capsys)


async def test_check_many_domains_shows_some(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = Place(tmp_path)
    await loaded(place, many(100))
    assert run(place, "check", written(tmp_path, certificate(ANNA))) == 0
    assert "… 98" in said(capsys)


async def test_check_tells_the_attribute_that_differs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = Place(tmp_path)
    await loaded(place)
    other = certificate(ANNA.replace("OU=1750000001", "OU=1750000002"))
    assert run(place, "check", written(tmp_path, other)) == 1
    text = said(capsys)
    assert "certificat / certificate  OU=1750000002" in text
    assert "liste / list              OU=1750000001" in text
    assert run(place, "check", written(tmp_path, certificate(EVE))) == 1
    assert "OU=1750000001" not in said(capsys)


async def test_check_expired_foreign_and_unreadable(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = Place(tmp_path)
    await loaded(place)
    assert run(place, "check", written(tmp_path, authority().expired(ANNA, key="ec"))) == 1
    text = said(capsys)
    assert "renew it" in text
    assert "not issued by the authority" not in text
    assert run(place, "check", written(tmp_path, foreign().issue(ANNA, key="ec"))) == 1
    assert "not issued by the authority" in said(capsys)
    assert run(place, "check", written(tmp_path, foreign().expired(ANNA, key="ec"))) == 1
    assert "not issued by the authority" in said(capsys)
    both = x509.RelativeDistinguishedName(
        [x509.NameAttribute(NameOID.COMMON_NAME, "a"), x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, "b")]
    )
    assert run(place, "check", written(tmp_path, authority().issue(x509.Name([both]), key="ec"))) == 1
    assert "multi-valued" in said(capsys)
    (tmp_path / "garbage").write_bytes(b"garbage")
    assert run(place, "check", str(tmp_path / "garbage")) == 2
    assert run(place, "check", str(tmp_path / "missing")) == 2


async def test_check_and_show_with_crls(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    space = Authority(key="ec")
    place = Place(tmp_path, crls=[str(tmp_path / "organisations.crl")])
    (tmp_path / "ca.pem").write_bytes(space.bundle)
    anna, ben = space.issue(ANNA, key="ec"), space.issue(BEN, key="ec")
    space.revoke(anna)
    place.publish(ROWS, by=space.signer())
    live = Trust(place.settings)
    await live.refresh()
    assert run(place) == 1
    assert run(place, "check", written(tmp_path, ben)) == 1
    assert "CRL" in said(capsys)
    place.crl.write_bytes(space.crl(lasts=timedelta(hours=1)))
    await live.refresh()
    assert run(place) == 0
    assert "1 révoqués" in said(capsys)
    assert run(place, "check", written(tmp_path, ben)) == 0
    assert run(place, "check", written(tmp_path, anna)) == 1
    assert "is revoked" in said(capsys)
    (place.settings.state / "crl-broken.der").write_bytes(b"garbage")
    assert run(place) == 0
    assert "crl_unreadable" in said(capsys)


async def test_accept_a_held_list(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = Place(tmp_path)
    live = await loaded(place, many(100))
    place.publish(many(10), at(hours=1))
    await live.refresh()
    assert live.held is not None
    assert run(place) == 1
    assert live.held in said(capsys)
    assert run(place, "accept", "0" * 64) == 1
    assert run(place, "accept", live.held.upper()) == 0
    await live.refresh()
    assert live.list is not None
    assert live.list.rows == 10
    assert run(place) == 0
    assert run(place, "accept", "0" * 64) == 1
