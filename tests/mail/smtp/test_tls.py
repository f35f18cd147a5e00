"""The operator's own certificate: one that is broken, has ended or ends soon is told; the last good one serves."""

from __future__ import annotations

import logging
from datetime import timedelta
from pathlib import Path

import pytest

from bridge.networks.mail.smtp.settings import TlsSettings
from bridge.networks.mail.smtp.tls import Tls
from deploy.world.trust import Authority, Issued, subject

LONG = timedelta(days=365)


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority(key="ec")


def issued(authority: Authority, ends: timedelta = LONG) -> Issued:
    return authority.issue(subject("mx.example"), hosts=["mx.example"], key="ec", valid=(timedelta(days=-30), ends))


def placed(folder: Path, authority: Authority, ends: timedelta = LONG) -> Tls:
    certificate, key = issued(authority, ends).write(folder, "own")
    (folder / "authority.pem").write_bytes(authority.bundle)
    return Tls(TlsSettings(certificate=certificate, key=key, authority=folder / "authority.pem"))


def said(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [r.getMessage() for r in caplog.records if r.levelno >= logging.WARNING]


def test_a_good_one_is_no_news(tmp_path: Path, authority: Authority, caplog: pytest.LogCaptureFixture) -> None:
    tls = placed(tmp_path, authority)
    tls.prove()
    tls.server()
    assert said(caplog) == []


def test_a_broken_renewal_is_told_and_the_former_one_serves(
    tmp_path: Path, authority: Authority, caplog: pytest.LogCaptureFixture
) -> None:
    tls = placed(tmp_path, authority)
    before = tls.server()
    (tmp_path / "own.crt").write_text("rubbish")
    assert tls.server() is tls.server() is before
    (line,) = said(caplog)
    assert "own.crt" in line
    assert "the former one serves" in line
    with pytest.raises(ValueError, match="do not fit"):
        tls.prove()


@pytest.mark.parametrize(("days", "says"), [(-2, "has ended: renew it"), (5, "days: renew it")])
def test_an_end_is_told_once_a_day(
    tmp_path: Path, authority: Authority, caplog: pytest.LogCaptureFixture, days: int, says: str
) -> None:
    tls = placed(tmp_path, authority, timedelta(days=days))
    tls.server()
    tls.server()
    (line,) = said(caplog)
    assert says in line
    issued(authority).write(tmp_path, "own")
    tls.server()
    assert len(said(caplog)) == 1


def test_check_names_one_that_has_ended(tmp_path: Path, authority: Authority) -> None:
    with pytest.raises(ValueError, match=r"own\.crt ended 2 days ago"):
        placed(tmp_path, authority, timedelta(days=-1, hours=-12)).prove()


def test_ciphers_that_nobody_knows_are_named(tmp_path: Path, authority: Authority) -> None:
    tls = placed(tmp_path, authority)
    wrong = tls._settings.model_copy(update={"ciphers": "BOGUS"})
    with pytest.raises(ValueError, match="ciphers do not fit"):
        Tls(wrong).prove()
