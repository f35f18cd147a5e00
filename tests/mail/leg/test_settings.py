"""Teams that could never get a mail or a member are named before the start."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from bridge.networks.mail.leg.settings import MailSettings

TEAM = {"address": "cardio@mss.example", "name": "Cardio", "members": ["rpps:10001002027", "matrix:@ben:chu.example"]}


def settings(*teams: dict[str, Any]) -> MailSettings:
    files = {"certificate": "/c", "key": "/k", "authority": "/a"}
    smtp = {"hostname": "mx.example", "domains": ["mss.example"], "tls": files}
    trust = {"path": "/l", "authority": "/a", "state": "/s"}
    return MailSettings.model_validate({"smtp": smtp, "trust": trust, "teams": list(teams)})


def test_a_team_that_can_be() -> None:
    assert settings(TEAM).teams[0].name == "Cardio"


@pytest.mark.parametrize(
    ("teams", "says"),
    [
        ([TEAM | {"address": "cardio@other.example"}], "in none of smtp.domains"),
        ([TEAM, TEAM], "given twice"),
        ([TEAM | {"members": ["Bob"]}], "members of cardio@mss.example read"),
        ([TEAM | {"members": ["rpps:123"]}], "members of cardio@mss.example read"),
    ],
)
def test_a_team_that_cannot_be(teams: list[dict[str, Any]], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        settings(*teams)
