"""What survives between two legs, and what it becomes when it does not: pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import orjson

from bridge.connector import Capabilities
from bridge.errors import Refused
from bridge.kinds import EVERYWHERE, KINDS, Unable
from bridge.model import Body, Delivery, Kind
from bridge.receiver import InCommon

# A Matrix event has at most 65,536 bytes. Encrypted, its content grows by 4/3 (base64); about 5 KiB stay for the rest
# of the event: signatures, keys, relations. So text and html together have 44 KiB as JSON.
MAX_TEXT = 44 * 1024
URGENT = "URGENT : "


def size(body: Body, enough: int = 0) -> int:
    """The bytes of text and html as JSON, the form of every network; 0 if they are surely not more than ``enough``."""
    html = body.html or ""
    if (len(body.text) + len(html)) * 6 + 4 <= enough:  # one character is never more than \u0000
        return 0
    return len(orjson.dumps(body.text)) + (len(orjson.dumps(html)) if html else 0)


def check(body: Body, capabilities: Capabilities) -> None:
    """Refuse at the door what could not be carried. Raises Refused (too_long, files_not_carried, files_too_large)."""
    check_text(body, capabilities.max_text)
    if body.files and not capabilities.files:
        raise Refused("files_not_carried", "files")
    if sum(file.size for file in body.files) > capabilities.max_files:
        raise Refused("files_too_large", "files", about=f"{capabilities.max_files} bytes")


def check_text(body: Body, most: int) -> None:
    """The text alone has to fit: formatting that does not is left out. Raises Refused (too_long)."""
    if size(replace(body, html=None), most) > most:
        raise Refused("too_long", "text", about=f"{most} bytes")


def together(legs: Sequence[Capabilities]) -> InCommon:
    """What several legs carry: of kinds, what one of them can; of files and sizes, what all of them can."""
    if not legs:
        return InCommon(EVERYWHERE, files=False, max_files=0, max_text=MAX_TEXT)
    return InCommon(
        frozenset[Kind]().union(*(one.kinds for one in legs)),
        all(one.files for one in legs),
        min(one.max_files for one in legs),
        min(one.max_text for one in legs),
    )


def _begun(body: Body) -> Body:
    """An urgent text that begins with the word that says so, in both languages."""
    if "URGENT" in body.text[:12]:
        return body
    html = None if body.html is None else f"<strong>{URGENT}</strong>{body.html}"
    return replace(body, text=f"{URGENT}{body.text}", html=html)


def fit(delivery: Delivery, capabilities: Capabilities) -> Delivery:
    """The delivery as the network can carry it. Text is never cut: what is too long is refused (too_long)."""
    rule = KINDS[delivery.kind]
    if rule.unable is Unable.SAY and delivery.kind not in capabilities.kinds:
        delivery = replace(delivery, kind=rule.shown)
    if delivery.body.urgent and not capabilities.urgent:
        delivery = replace(delivery, body=_begun(delivery.body))
    check(delivery.body, capabilities)
    shown = capabilities.html and size(delivery.body, capabilities.max_text) <= capabilities.max_text
    if delivery.body.html is not None and not shown:  # the text says it too
        delivery = replace(delivery, body=replace(delivery.body, html=None))
    if delivery.reply_to is not None and not capabilities.replies:
        delivery = replace(delivery, reply_to=None)
    if delivery.thread is not None and not capabilities.threads:
        delivery = replace(delivery, thread=None)
    return delivery
