"""Mail of citizens (their mailbox of Mon espace santé), which is refused until its own rules exist here; pure.

Source: MSSanté client reference #2 (exchanges with citizens): only a professional opens a conversation, it is about one
patient, it is shown as what it is. A hub without these rules must not mix such mail with that of professionals.
Reports stay: what a citizen's operator says about a mail of ours must reach its writer.
"""

from __future__ import annotations

import re
from collections.abc import Collection

from bridge.networks.mail.mime.automatic import by_system
from bridge.networks.mail.mime.boxes import Box
from bridge.networks.mail.smtp.address import domain_of
from bridge.networks.mail.smtp.header_rules import authors

_REPORT = re.compile(rb"\s*multipart/report\b", re.I)


def sent_by_citizen(sender: str, domains: Collection[str]) -> bool:
    """Whether an envelope's sender is a citizen's mailbox; ``domains`` are those of citizens (A-labels)."""
    return domain_of(sender) in domains and not by_system(Box(sender))


def written_by_citizen(fields: list[tuple[str, bytes]], domains: Collection[str]) -> bool:
    """Whether a mail's author is a citizen, and no mail system that reports. Raises Refused (see ``header_rules``)."""
    if not any(box.domain in domains and not by_system(box) for box in authors(fields)):
        return False
    return not any(name == "content-type" and _REPORT.match(value) for name, value in fields)
