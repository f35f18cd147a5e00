"""The mails of a plan as mail programs write them: their identifiers, what they cite, how they fold and quote. Pure."""

from __future__ import annotations

import base64
import hashlib
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, parseaddr

from tests.mail.correspondence.plan import Habit, Human, Plan, Said

_BEGINNING = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Head:
    """What an answer needs to know of a mail: its id and what it cites, without brackets, the oldest first."""

    mid: str
    references: tuple[str, ...] = ()
    in_reply_to: str | None = None
    text: str = field(default="", repr=False)
    answer_to: str | None = None  # an address of the conversation itself, which an answer to all names too

    @property
    def chain(self) -> tuple[str, ...]:
        """What comes before its own id in the References of an answer (RFC 5322, 3.6.4)."""
        before = self.references or ((self.in_reply_to,) if self.in_reply_to else ())
        return tuple(dict.fromkeys((*before, self.mid)))


class Mails:
    """Writes them. ``boxes``: person -> the address by which a mail names them; ``sent``: what the hub wrote of the
    chat side's messages, as the mail that holds each was received.
    """

    def __init__(self, plan: Plan, boxes: Mapping[str, str]) -> None:
        self.plan = plan
        self.boxes = dict(boxes)
        self.sent: dict[int, Head] = {}

    def head(self, n: int) -> Head:
        """Of a message. Raises KeyError for one of the chat side that no mail has brought yet."""
        said = self.plan.said[n]
        if not said.mail:
            return self.sent[n]
        parent = None if said.parent is None else self.head(said.parent)
        cites_all = said.habit in (Habit.FULL, Habit.CHAIN, Habit.OUTLOOK)
        cites_one = said.habit in (Habit.FULL, Habit.BARE, Habit.OUTLOOK)
        references = parent.chain if parent is not None and cites_all else ()
        answered = parent.mid if parent is not None and cites_one else None
        return Head(message_id(said), references, answered, self._text(said))

    def raw(self, said: Said) -> bytes:
        """The bytes of a mail."""
        head, mail = self.head(said.n), EmailMessage(policy=SMTP.clone(refold_source="none"))
        to, cc = self._recipients(said)
        mail["From"] = self._named(said.by)
        mail["To"] = ", ".join(to)
        if cc:
            mail["Cc"] = ", ".join(cc)
        mail["Subject"] = said.subject if said.parent is None else f"{'RE' if said.index else 'Re'}: {said.subject}"
        mail["Message-ID"] = f"<{head.mid}>"
        mail["Date"] = format_datetime(self._date(said))
        if head.in_reply_to:
            mail["In-Reply-To"] = f"<{head.in_reply_to}>"
        if head.references:
            mail["References"] = " ".join(f"<{ident}>" for ident in head.references)
        if said.index:
            mail["Thread-Index"] = thread_index(said.index, sum(1 for _ in self.plan.ancestors(said)))
            mail["Thread-Topic"] = said.subject
        text = head.text + (self._quoted(said) if said.quotes else "")
        mail.set_content(text, charset="utf-8", cte="quoted-printable" if said.n % 3 else "8bit")
        return mail.as_bytes()

    def recipients(self, said: Said, domain: str) -> list[str]:
        """The addresses in the hub's domain: the other ones get the mail from their own operators."""
        every = [parseaddr(one)[1] for side in self._recipients(said) for one in side]
        return [address for address in every if address.endswith(f"@{domain}")]

    def _recipients(self, said: Said) -> tuple[list[str], list[str]]:
        """Who stands in To: whoever is answered and some more; the others in Cc."""
        others = [self.plan.people[p] for p in sorted(said.people - {said.by.id})]
        parent = None if said.parent is None else self.plan.said[said.parent]
        author = None if parent is None else parent.by
        others.sort(key=lambda one: (one != author, hashlib.sha256(f"{said.n}{one.id}".encode()).digest()))
        named, count = [self._named(one) for one in others], 1 + said.n % 3
        room = None if parent is None or parent.people != said.people else self.head(parent.n).answer_to
        return ([room, *named[:count]] if room else named[:count]), named[count:]

    def _named(self, one: Human) -> str:
        box = self.boxes[one.id]
        name = one.name.encode("ascii", "ignore").decode()
        return f'"{name}" <{box}>' if len(name) % 2 else f"{name} <{box}>"

    def _date(self, said: Said) -> datetime:
        return _BEGINNING + timedelta(minutes=said.n)

    def _text(self, said: Said) -> str:
        return f"Bonjour,\n\nVoici {self.plan.token(said.n)} pour vous.\n"

    def _quoted(self, said: Said) -> str:
        """The answered message below the answer, as French Thunderbird, Outlook and webmails write it."""
        assert said.parent is not None
        parent = self.plan.said[said.parent]
        text, date = self.head(parent.n).text, self._date(parent)
        who = self._named(parent.by)
        if said.index:
            return (
                f"\n________________________________\nDe : {who}\nEnvoyé : lundi 2 mars 2026 {date:%H:%M}\n"
                f"À : {self._named(said.by)}\nObjet : {said.subject}\n\n{text}\n"
            )
        lines = "".join(f"> {line}\n" for line in text.splitlines())
        return f"\nLe {date:%d/%m/%Y} à {date:%H:%M}, {parent.by.name} a écrit :\n{lines}"


def message_id(said: Said) -> str:
    """In the form of the writer's mail program; the same for ever."""
    seed, domain = f"{said.n}/{said.by.id}", said.by.address.rpartition("@")[2]
    digest = hashlib.sha256(seed.encode()).hexdigest()
    if said.index:
        return f"{digest[:20].upper()}@{digest[20:34].upper()}.EURPRD.prod.outlook.example"
    form = said.n % 4
    if form == 0:
        return f"{uuid.UUID(digest[:32])}@{domain}"
    if form == 1:
        return f"{str(uuid.UUID(digest[:32])).upper()}@{domain}"
    if form == 2:
        return f"{int(digest[:8], 16)}.{said.n}.1772{said.n:06}000.JavaMail.zimbra@{domain}"
    return f"CA{digest[:38]}=_{digest[38:44]}@mail.{domain}"


def thread_index(head: str, replies: int) -> str:
    """Outlook's header: the 22 bytes of the conversation, five more for each answer."""
    return base64.b64encode(bytes.fromhex(head) + b"\0\0\0\1\x10" * replies).decode()
