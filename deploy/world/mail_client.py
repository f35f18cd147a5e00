"""A scripted mail client: submits by SMTP and reads by IMAP, as the programs that clinicians use do."""

from __future__ import annotations

import asyncio
import email
import email.policy
import imaplib
import smtplib
import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.utils import formatdate, localtime, make_msgid

from deploy.world.postfix import PASSWORD, Postfix
from deploy.world.waiting import PATIENCE

Wanted = Callable[[EmailMessage], bool]


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file that goes with a mail."""

    name: str
    mime: str
    data: bytes = field(repr=False)


class Mailbox:
    """One person's mailbox at an operator. ``name`` is shown beside the address."""

    def __init__(self, operator: Postfix, address: str, name: str = "") -> None:
        self.address = address
        self.name = name
        self._operator = operator

    def compose(self, to: Sequence[str], subject: str, text: str, files: Sequence[Attachment] = ()) -> EmailMessage:
        """A new mail."""
        mail = EmailMessage(policy=email.policy.SMTP)
        mail["From"] = f"{self.name} <{self.address}>" if self.name else self.address
        mail["To"] = ", ".join(to)
        mail["Subject"] = subject
        mail["Date"] = formatdate(localtime=True)
        mail["Message-ID"] = make_msgid(domain=self._operator.identity.domain)
        mail.set_content(text)
        for each in files:
            kind, _, subtype = each.mime.partition("/")
            mail.add_attachment(each.data, kind, subtype, filename=each.name)
        return mail

    def reply(self, to: EmailMessage, text: str) -> EmailMessage:
        """An answer with the original quoted below a French attribution, as Thunderbird writes it above or below."""
        subject = str(to["Subject"] or "")
        mail = self.compose(
            [str(to["Reply-To"] or to["From"])],
            subject if subject.lower().startswith("re:") else f"Re: {subject}",
            f"{text}\r\n\r\n{_quoted(to)}",
        )
        cited = str(to["Message-ID"] or "").strip()
        if cited:
            mail["In-Reply-To"] = cited
            mail["References"] = " ".join([*str(to["References"] or "").split(), cited])
        return mail

    def displayed(self, mail: EmailMessage) -> EmailMessage:
        """The reading receipt (RFC 8098) that a mail asks for, as a program sends it when its user agrees."""
        receipt = self.compose([str(mail["Disposition-Notification-To"])], f"Lu : {mail['Subject']}", "")
        receipt.set_content("Votre message a été affiché.")
        about = EmailMessage(policy=email.policy.SMTP)
        about["Reporting-UA"] = "poste.example; Client scripté de la démo"
        about["Final-Recipient"] = f"rfc822; {self.address}"
        about["Original-Message-ID"] = str(mail["Message-ID"])
        about["Disposition"] = "manual-action/MDN-sent-manually; displayed"
        report = EmailMessage(policy=email.policy.SMTP)
        report["Content-Type"] = "message/disposition-notification"
        report.set_payload(about.as_string())
        receipt.make_mixed()
        receipt.attach(report)
        receipt.replace_header("Content-Type", 'multipart/report; report-type="disposition-notification"')
        return receipt

    async def send(self, mail: EmailMessage, options: Sequence[str] = ()) -> None:
        """Hand a mail to the operator; ``options`` go with each RCPT (``NOTIFY=SUCCESS``)."""
        to = [
            address.addr_spec
            for name in ("To", "Cc")
            for header in mail.get_all(name, [])
            for address in header.addresses
        ]
        await asyncio.to_thread(self._submit, to, mail.as_bytes(), options)

    async def send_raw(self, to: Sequence[str], raw: bytes, sender: str | None = None) -> None:
        """Hand over bytes as they are; ``sender`` replaces the mailbox's address in the envelope."""
        await asyncio.to_thread(self._submit, to, raw, (), self.address if sender is None else sender)

    async def messages(self) -> list[EmailMessage]:
        """What lies in the inbox, oldest first."""
        return await asyncio.to_thread(self._fetch)

    async def wait(self, wanted: Wanted = lambda _: True, patience: float = PATIENCE) -> EmailMessage:
        """The first mail that is wanted, as soon as it is there.

        Raises TimeoutError with the operator's log.
        """
        deadline = asyncio.get_running_loop().time() + patience
        while asyncio.get_running_loop().time() < deadline:
            for mail in await self.messages():
                if wanted(mail):
                    return mail
            await asyncio.sleep(0.1)
        raise TimeoutError(f"no such mail for {self.address}:\n{self._operator.log[-3000:]}")

    def _submit(self, to: Sequence[str], raw: bytes, options: Sequence[str], sender: str | None = None) -> None:
        with smtplib.SMTP(
            "127.0.0.1", self._operator.submission, local_hostname="poste.example", timeout=PATIENCE
        ) as client:
            client.sendmail(self.address if sender is None else sender, list(to), raw, rcpt_options=options)

    def _fetch(self) -> list[EmailMessage]:
        context = ssl.create_default_context(cafile=str(self._operator.identity.authority))
        context.check_hostname = False  # by address; the authority is private to this run
        with imaplib.IMAP4_SSL("127.0.0.1", self._operator.imaps, ssl_context=context, timeout=PATIENCE) as client:
            client.login(self.address, PASSWORD)
            client.select("INBOX")
            _, found = client.search(None, "ALL")
            return [_read(client, number.decode()) for number in found[0].split()]


def _read(client: imaplib.IMAP4_SSL, number: str) -> EmailMessage:
    _, parts = client.fetch(number, "(BODY.PEEK[])")
    part = parts[0]
    if not isinstance(part, tuple):
        raise RuntimeError(f"IMAP gave no mail for {number}")
    return email.message_from_bytes(part[1], policy=email.policy.default)


def _quoted(mail: EmailMessage) -> str:
    body = mail.get_body(("plain",))
    text = body.get_content() if body else ""
    date = mail["Date"].datetime if mail["Date"] else localtime()
    lines = "".join(f"> {line}\r\n" for line in text.splitlines())
    return f"Le {date:%d/%m/%Y} à {date:%H:%M}, {mail['From']} a écrit :\r\n{lines}"
