"""What was said in chat, as it is kept until a mail is made of it, and back. Pure."""

from __future__ import annotations

import base64
from dataclasses import replace
from typing import Any

from bridge.files import from_json, to_json
from bridge.forms.wording import handled
from bridge.model import Delivery, File, Kind, StoredFile
from bridge.networks.mail.documents.outgoing import asked
from bridge.networks.mail.letters.from_chat import ChatMessage
from bridge.networks.mail.mime.boxes import Box

Json = dict[str, Any]


def draft(delivery: Delivery, box: Box) -> Json:
    """What is kept of a message of somebody with this mailbox."""
    body, sender = delivery.body, delivery.sender
    return {
        "from": [box.address, box.name], "text": body.text or _wordless(delivery), "html": body.html,
        "files": [_kept(file) for file in body.files], "at": delivery.sent_at, "rpps": sender.rpps or "",
        "profession": sender.profession, "place": sender.place, "urgent": body.urgent, "moderated": delivery.moderated,
        "readers": [[member.address.id, member.person.name] for member in delivery.recipients],
    }  # fmt: skip


def _wordless(delivery: Delivery) -> str:
    return handled() if delivery.kind is Kind.HANDLED else ""


def said(ident: str, at: int, body: Json) -> ChatMessage:
    """What was kept; an earlier hub has kept less."""
    files = tuple(_file(kept) for kept in body["files"])
    one = ChatMessage(
        ident, at, Box(*body["from"]), body["text"], body["html"], files, body.get("correction", ""),
        body.get("rpps", ""), readers=tuple(Box(*pair) for pair in body.get("readers", ())),
        corrects=body.get("corrects", 0), profession=body.get("profession", ""), place=body.get("place", ""),
        urgent=body.get("urgent", False), moderated=body.get("moderated", False), reaction=body.get("reaction", ""),
    )  # fmt: skip
    rest = asked(one.text)
    return one if rest is None else replace(one, text=rest, html=None, asked=True)


def _kept(file: File) -> Json:
    """A file in a draft: where it lies, or its bytes."""
    data = "" if isinstance(file.content, StoredFile) else base64.b64encode(file.content).decode("ascii")
    return {"about": to_json(file), "data": data}


def _file(kept: Any) -> File:
    if isinstance(kept, list):  # by an earlier hub
        name, mime, data, inline = kept
        return File(name, mime, base64.b64decode(data), inline)
    return from_json(kept["about"], base64.b64decode(kept["data"]))
