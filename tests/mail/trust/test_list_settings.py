"""The settings of the trust list: what cannot work is refused at the start."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from bridge.networks.mail.trust.settings import TrustListSettings


@pytest.mark.parametrize(
    "wrong",
    [
        {"url": "https://list.example/x", "path": "/x"},
        {"url": None, "path": None},
        {"url": "http://list.example/x"},
        {"url": "ftp://list.example/x"},
        {"path": "/x", "crls": ["relative.crl"]},
        {"path": "/x", "crls": ["ldap://x/y"]},
        {"path": "/x", "max_drop": 2},
        {"path": "/x", "refresh": 0},
        {"path": "/x", "warn_after": "80h"},
        {"path": "/x", "colour": "blue"},
    ],
)
def test_settings_that_cannot_work(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        TrustListSettings.model_validate({"authority": "/ca.pem", "state": "/state", **wrong})


def test_settings_take_times_with_units() -> None:
    found = TrustListSettings.model_validate(
        {"authority": "/ca", "state": "/s", "url": "https://list.example/x", "refresh": "30m", "stale_after": "4d"}
    )
    assert (found.refresh, found.stale_after, found.warn_after) == (1800, 345_600, 93_600)
    assert found.source == "https://list.example/x"
