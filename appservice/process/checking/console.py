"""The operator's console: its section and files, its port, and the provider by which people log in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from appservice.console.login.provider import OpenIdProvider
from appservice.console.settings import ConsoleSettings
from appservice.process.checking import listening
from appservice.process.checking.findings import Finding, bad, good
from appservice.process.checking.remedies import fault
from bridge.config import BadConfig, validate
from bridge.errors import Unavailable


async def findings(section: Mapping[str, Any] | None) -> list[Finding]:
    """Everything that can be seen without logging in; nothing without the section."""
    if section is None:
        return []
    try:
        settings = validate(ConsoleSettings, section, "console")
        settings.prove()
    except BadConfig as problem:
        return [fault(line) for line in str(problem).splitlines()]
    return [*await listening.findings("console", settings), await _provider(settings)]


async def _provider(settings: ConsoleSettings) -> Finding:
    try:
        await OpenIdProvider(settings).document()
    except Unavailable:
        what = f"console.issuer: no discovery document of {settings.issuer} can be read"
        mend = "write the issuer to the letter as the provider calls itself; look at discovery and ca_file"
        return bad(what, mend)
    return good(f"console: the provider {settings.issuer} answers")
