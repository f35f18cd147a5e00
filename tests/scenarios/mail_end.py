"""The driver of secure mail: a program that submits to a real operator, and the mailbox as Dovecot keeps it."""

from __future__ import annotations

import email
import email.policy
import hashlib
from collections.abc import Iterable
from email.message import EmailMessage
from pathlib import Path

from bridge.connector import Capabilities
from bridge.model import MAIL
from deploy.world.mail_client import Mailbox
from deploy.world.postfix import Postfix
from tests.scenarios import pieces
from tests.scenarios.ends import Deed, Shown, Unsaid


class MailEnd:
    """See :class:`tests.scenarios.ends.FarEnd`. A chat is the addresses of the others, with commas between them."""

    network = MAIL
    rewrites = False

    def __init__(self, mailbox: Mailbox, operator: Postfix, capabilities: Capabilities, name: str = MAIL) -> None:
        self.mailbox = mailbox
        self.name = name
        self.address = f"mailto:{mailbox.address}"
        self.capabilities = capabilities
        local, _, domain = mailbox.address.partition("@")
        self._folder = operator.directory / "boxes" / domain / local
        self._read: set[str] = set()
        self._mails: dict[str, EmailMessage] = {}
        self._shown: list[Shown] = []
        self._sent: dict[str, EmailMessage] = {}
        self._told: dict[str, set[str]] = {}

    # ---- what he does

    async def do(self, deed: Deed) -> str:
        """See :class:`tests.scenarios.ends.FarEnd`."""
        if deed.verb == "again":
            await self.mailbox.send(self._sent[deed.about])
            return deed.about
        if deed.verb not in ("say", "reply", "thread", "file", "contact") or {
            "emote",
            "notice",
            "mention",
            "everybody",
        } & set(deed.words):
            raise Unsaid(deed.verb)
        mail = self._composed(deed)
        ident = str(mail["Message-ID"])
        self._sent[ident] = mail
        await self.mailbox.send(mail)
        return ident

    def _composed(self, deed: Deed) -> EmailMessage:
        cited = deed.reply_to or deed.thread
        answered = None if cited is None else self._mails.get(cited) or self._sent[cited]
        text = deed.text or f"Ci-joint : {deed.id}."
        mail = self.mailbox.compose([deed.chat], f"Sujet {deed.id}", text)
        if answered is not None:
            mail = self.mailbox.reply(answered, text)
            mail.replace_header("To", deed.chat)
        if "urgent" in deed.words:
            mail["X-Priority"] = "1"
        if deed.html:
            mail.add_alternative(deed.html, subtype="html")
        for one in (*deed.files, *((pieces.card(deed.id),) if deed.verb == "contact" else ())):
            kind, _, subtype = one.mime.partition("/")
            mail.add_attachment(one.data, kind, subtype, filename=one.name)
        return mail

    async def read(self, chat: str, ident: str) -> None:
        """See :class:`tests.scenarios.ends.FarEnd`."""
        raise Unsaid("read")

    # ---- what he sees

    async def look(self, *, everything: bool = False) -> None:
        """See :class:`tests.scenarios.ends.FarEnd`."""
        for path in self._files():
            if path.name.partition(":")[0] not in self._read:
                self._read.add(path.name.partition(":")[0])
                self._keep(email.message_from_bytes(path.read_bytes(), policy=email.policy.default))

    def _files(self) -> Iterable[Path]:
        return [path for folder in ("new", "cur") for path in sorted((self._folder / folder).glob("*"))]

    def _keep(self, mail: EmailMessage) -> None:
        ident = str(mail["Message-ID"] or "").strip()
        self._mails[ident] = mail
        raw = mail.as_string()
        if mail.get_content_type() == "multipart/report":
            if "action: failed" in raw.lower():
                for sent in self._sent:
                    if sent in raw:
                        self._told.setdefault(sent, set()).add("bounced")
            return
        bodies = [mail.get_body((kind,)) for kind in ("plain", "html")]
        whole = "\n".join(str(body.get_content()) for body in bodies if body is not None)
        text = "\n".join(line for line in whole.splitlines() if not line.startswith(">"))  # what others wrote before
        files = tuple(hashlib.sha256(_content(part)).hexdigest() for part in mail.iter_attachments())
        references = str(mail["References"] or "").split()
        self._shown.append(
            Shown(
                id=ident, chat=self._others(mail), text=text, files=files,
                reply_to=str(mail["In-Reply-To"]).strip() if mail["In-Reply-To"] else None,
                thread=references[0] if references else None,
            )
        )  # fmt: skip

    def _others(self, mail: EmailMessage) -> str:
        """To whom an answer to all goes."""
        boxes = [
            box.addr_spec
            for name in ("From", "To", "Cc")
            for header in mail.get_all(name, [])
            for box in header.addresses
        ]
        return ", ".join(dict.fromkeys(box for box in boxes if box != self.mailbox.address))

    def shown(self) -> Iterable[Shown]:
        """See :class:`tests.scenarios.ends.FarEnd`."""
        return self._shown

    def get(self, ident: str) -> Shown | None:
        """See :class:`tests.scenarios.ends.FarEnd`."""
        return next((one for one in self._shown if one.id == ident), None)

    async def members(self, chat: str) -> frozenset[str] | None:
        """See :class:`tests.scenarios.ends.FarEnd`."""
        return None

    async def readers(self, chat: str) -> dict[str, frozenset[str]] | None:
        """See :class:`tests.scenarios.ends.FarEnd`."""
        return None

    def told(self, ident: str) -> frozenset[str]:
        """See :class:`tests.scenarios.ends.FarEnd`."""
        return frozenset(self._told.get(ident, ()))


def _content(part: EmailMessage) -> bytes:
    found = part.get_content()
    return found if isinstance(found, bytes) else str(found).encode()
