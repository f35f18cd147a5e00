"""What survives between two legs, and what it becomes when it does not: pure."""

from __future__ import annotations

from dataclasses import replace

from bridge.connector import Capabilities
from bridge.errors import Refused
from bridge.model import Body, Delivery


def check(body: Body, capabilities: Capabilities) -> None:
    """Refuse at the door what could not be carried. Raises Refused (too_long, files_not_carried, files_too_large)."""
    if max(len(body.text.encode()), len((body.html or "").encode())) > capabilities.max_text:
        raise Refused("too_long", "text", about=f"{capabilities.max_text} bytes")
    if body.files and not capabilities.files:
        raise Refused("files_not_carried", "files")
    if sum(file.size for file in body.files) > capabilities.max_files:
        raise Refused("files_too_large", "files", about=f"{capabilities.max_files} bytes")


def fit(delivery: Delivery, capabilities: Capabilities) -> Delivery:
    """The delivery as the network can carry it. Text is never cut: what is too long is refused (too_long)."""
    check(delivery.body, capabilities)
    if delivery.body.html is not None and not capabilities.html:
        delivery = replace(delivery, body=replace(delivery.body, html=None))
    if delivery.reply_to is not None and not capabilities.replies:
        delivery = replace(delivery, reply_to=None)
    if delivery.thread is not None and not capabilities.threads:
        delivery = replace(delivery, thread=None)
    return delivery
