"""The ``mail`` section of the configuration."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, StringConstraints, model_validator

from bridge.config import Seconds, Section
from bridge.networks.mail.documents.codec import CodecSettings
from bridge.networks.mail.smtp.address import a_label
from bridge.networks.mail.smtp.settings import SmtpSettings
from bridge.networks.mail.trust.settings import TrustListSettings

_HANDLE = re.compile(r"rpps:\d{11}|(?!rpps:)[a-z][a-z0-9_-]*:\S+")
Mailbox = Annotated[str, StringConstraints(to_lower=True, pattern=r"^[^@\s<>\"]+@[^@\s<>\"]+$", max_length=254)]


def _when(value: object) -> object:
    """``true`` and ``false`` as they were once written."""
    return {True: "needed", False: "never"}.get(value, value) if isinstance(value, bool) else value


class TeamSettings(Section):
    """An organisation's mailbox (ORG, APP, CAB): a room in which any member answers in its name."""

    address: Mailbox
    name: str = Field(min_length=1, max_length=100)
    members: list[str] = Field(min_length=1, description="handles: rpps:<11 digits>, matrix:@user:server, product:id")


class GatherSettings(Section):
    """Chat becomes mail once nobody has written for ``quiet``, at the latest after ``longest``."""

    quiet: Seconds = 30.0
    longest: Seconds = 300.0


class RetrySettings(Section):
    """How patient the hub is with another operator."""

    pauses: list[Seconds] = Field(default=[300.0, 900.0, 1800.0, 3600.0], min_length=1, description="the last repeats")
    delay_notice: Seconds = 4 * 3600.0
    give_up: Seconds = 48 * 3600.0


class MailSettings(Section):
    """The hub as an operator of the secure-mail trust space."""

    smtp: SmtpSettings
    trust: TrustListSettings
    teams: list[TeamSettings] = []
    gather: GatherSettings = GatherSettings()
    retry: RetrySettings = RetrySettings()
    apicrypt: CodecSettings | None = Field(default=None, description="the site's licensed codec for Apicrypt v1")
    ask_displayed: Annotated[Literal["never", "needed", "always"], BeforeValidator(_when)] = Field(
        default="needed", description="ask for a reading receipt (MDN); needed: what begins or answers, and documents"
    )
    subject_words: bool = Field(default=True, description="the subject of a conversation's mail begins as its message")
    subject_name: bool = Field(default=False, description="that subject begins with the conversation's name, if any")
    give_displayed: bool = Field(
        default=True, description="send a reading receipt when one is asked and the mail was read"
    )
    product: str = Field(default="", max_length=64, description="X-MSS-NIL: the product's reference at the ANS")

    @model_validator(mode="after")
    def _teams_can_be(self) -> MailSettings:
        addresses = [team.address for team in self.teams]
        for team in self.teams:
            domain = team.address.rpartition("@")[2]
            if (a_label(domain) or domain) not in self.smtp.domains:
                raise ValueError(f"teams: {team.address} is in none of smtp.domains, so no mail for it comes here")
            if addresses.count(team.address) > 1:
                raise ValueError(f"teams: {team.address} is given twice")
            for member in team.members:
                if not _HANDLE.fullmatch(member):
                    raise ValueError(
                        f"teams: members of {team.address} read rpps:<11 digits>, matrix:@user:server or product:id"
                    )
        return self
