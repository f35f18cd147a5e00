"""What became of mails: reports that come in are told to the writers, reports that are owed go out (DSN, MDN)."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Collection, Sequence
from typing import Any

from bridge.errors import Refused, Unavailable
from bridge.model import MAIL, Address, Body, Kind, Message, RecipientState, Ref, Report, State
from bridge.networks.mail.leg.edge import MailEdge
from bridge.networks.mail.leg.intake import TakenMail
from bridge.networks.mail.leg.ledger import Due, Posted
from bridge.networks.mail.leg.outgoing import reason_of_status
from bridge.networks.mail.leg.reply_envelope import TEAM
from bridge.networks.mail.leg.reported import Reported
from bridge.networks.mail.leg.threads import MAIN, KnownMail
from bridge.networks.mail.letters.report_writing import Notice, compose_dsn, compose_mdn
from bridge.networks.mail.mime.automatic import by_system
from bridge.networks.mail.mime.boxes import Box
from bridge.networks.mail.mime.mail import Dsn, Mail, Mdn
from bridge.networks.mail.mime.report_reading import DsnRecipient
from bridge.networks.mail.smtp.address import domain_of
from bridge.words import ABOUT_A_FILE, notice, say

Json = dict[str, Any]
_STATUS = {  # RFC 3463; what is not here is "other"
    "unknown_recipient": "5.1.1", "not_reachable": "5.1.1", "recipient_inactive": "5.2.1", "nobody_else": "5.1.1",
    "not_a_member": "5.7.1",
    "sender_inactive": "5.7.1", "account_revoked": "5.7.1", "not_invited": "5.7.1", "not_joined": "5.7.1",
    "untrusted_server": "5.7.1", "too_long": "5.3.4", "too_large": "5.3.4", "files_too_large": "5.3.4",
    "files_not_carried": "5.6.1", "kind_not_carried": "5.6.1", "mail_copy_unwritten": "5.6.0", "gave_up": "5.4.7",
    "dropped_by_operator": "5.7.0",
    "infected": "5.7.1", "not_scanned": "5.7.1",
    "late": "4.4.1", "not_joined_yet": "4.2.0", "room_upgraded": "4.3.0", "bad_address": "5.6.7",
}  # fmt: skip
_SAID_BY_ANOTHER = "said by another"  # a failure, by a mailbox that it is not about
_PATIENCE = 300_000  # ms in which the hub notes what it has handed to us; a report may be quicker
log = logging.getLogger(__name__)


class MailReports:
    """``posted`` is told of the domains that have mail."""

    def __init__(self, edge: MailEdge, *, hostname: str, give_displayed: bool) -> None:
        self.hub = edge.hub
        self._ledger = edge.ledger
        self._book = edge.book
        self._clock = edge.clock
        self._hostname = hostname
        self._product = edge.product
        self._give = give_displayed
        self.posted = edge.posted
        self._reported = Reported(edge)
        self._early: dict[int, int] = {}  # mail -> since when its report waits for the hub

    # -- in ------------------------------------------------------------------------------------------------

    async def told(self, due: Due, recipient: str, kind: str, reason: str) -> None:
        """What the operator of a recipient said about one of our mails."""
        for ref in due.refs:
            if not await self._note(due.id, ref, recipient, "failed" if kind == "refused" else kind, reason):
                raise Unavailable("not_yet", alone=True)  # the hub has not yet noted that it gave us this message
        if kind == "delayed" and due.refs:  # nothing arrived for hours
            found = await self._ledger.of_ref(due.refs[0])
            if found is not None:
                await self._remark(found[0], f"delay:{due.id}:{recipient}", recipient, notice("mail_delayed"))
        if kind == "refused":
            await self._lost(due.id, due.refs, recipient, reason)

    async def _lost(self, ident: str, refs: Sequence[str], recipient: str, reason: str) -> None:
        """A copy of a mail from outside did not arrive. It has no row of states: the room and the author are told."""
        found = await self._ledger.of_ref(refs[0]) if refs else None
        about = found[1] if found is not None else None
        if found is None or not about or about.get("ours"):
            return
        await self._remark(found[0], f"lost:{ident}:{recipient}", recipient, notice(reason, name=recipient))
        await self._dsn(f"lost:{ident}:{recipient}", about, recipient, reason)

    async def _remark(self, about: KnownMail, ident: str, recipient: str, text: str) -> None:
        """Said in the room, once."""
        chat, thread = about.chat, about.thread
        box = Address(MAIL, chat.removeprefix("team:") if chat.startswith("team:") else recipient.lower())
        root = None if thread == MAIN else Ref(MAIL, thread)
        message = Message(Ref(MAIL, ident), chat, box, Kind.NOTICE, Body(text, system=True), self._clock(), thread=root)
        try:
            await self.hub.accept(message)
        except Refused as refusal:  # whoever could be told has left
            log.info("nobody is told what became of a mail: %s", refusal.code)

    async def read(self, report: Dsn | Mdn, taken: TakenMail, mail: Mail) -> bool:
        """A report that came by mail. False: it says that a mail did not arrive, and nobody knows which one.

        It counts for recipients of the domains of whoever handed it in. Raises Unavailable.
        """
        found = await self._reported.mail(report, taken, mail)
        if found is None:
            log.info("mail %d is a report about no mail of ours that we know", taken.n)
            return not report.failed or await self._unmatched(report, taken, mail)
        sent, refs, states = found
        # A server of the site in front has judged the certificate: its domains are not known here.
        speaks = taken.envelope.dn_domains or {mail.sender.domain if mail.sender else ""}
        known = True
        for recipient, kind, reason in _news(report, states, mail.sender):
            if recipient is None or domain_of(recipient) not in speaks:
                log.warning("mail %d is not believed: it reports about a mailbox that is not its sender's", taken.n)
                continue
            for ref in refs:
                known = await self._note(sent, ref, recipient, kind, reason) and known
            if kind == "failed":
                await self._lost(sent, refs, recipient, reason)
            if kind == _SAID_BY_ANOTHER and mail.sender is not None:
                log.warning("mail %d is not believed: it says that another mailbox failed", taken.n)
                await self._doubtful(refs, recipient, mail.sender)
        self._wait(taken.n, known)
        return True

    async def _unmatched(self, report: Dsn | Mdn, taken: TakenMail, mail: Mail) -> bool:
        """Conversations are told of a failure that came to their address; a person's mailbox gets the report itself."""
        for about, address in await self._reported.rooms(report, taken):
            text = notice("mail_failed_unknown", name=address)
            await self._remark(about, f"unmatched:{mail.digest[:32]}:{address}", address, text)
        return all(map(self._book.conversation, taken.envelope.recipients))

    async def _doubtful(self, refs: Sequence[str], recipient: str, author: Box) -> None:
        """A mailbox says that a mail did not arrive in another one: no proof, but nothing to keep quiet either."""
        found = await self._ledger.of_ref(refs[0]) if refs else None
        if found is not None:
            text = notice("mail_doubtful_report", name=f"{author.address} → {recipient}")
            await self._remark(found[0], f"doubt:{refs[0]}:{recipient}:{author.address.lower()}", recipient, text)

    def _wait(self, n: int, known: bool) -> None:
        """Raises Unavailable as long as the hub may still write down that it gave us what the report is about."""
        now = self._clock()
        if not known and now - self._early.setdefault(n, now) < _PATIENCE:
            raise Unavailable("not_yet", alone=True)
        if not known:
            log.warning("mail %d reports about what the hub does not know", n)
        self._early.pop(n, None)

    async def _note(self, mail: str, ref: str, recipient: str, kind: str, reason: str) -> bool:
        """False: the hub does not know the message (yet)."""
        found, now = await self._ledger.of_ref(ref), self._clock()
        chat = found[0].chat if found is not None else ""
        # In a team's room the mailbox itself stands for everybody outside.
        who = Address(MAIL, chat.removeprefix("team:") if chat.startswith("team:") else recipient.lower())
        if kind in ("accepted", "relayed", "expanded"):
            return await self.hub.signs.sent(Ref(MAIL, ref), who, now)
        if kind in ("delivered", "processed", "dispatched"):
            return await self.hub.signs.received(Ref(MAIL, ref), who, now)
        if kind == "displayed":
            return await self.hub.signs.seen(Ref(MAIL, ref), who, now)
        if kind == "failed" and found is not None and chat.startswith(TEAM) and await self._others(mail, recipient):
            text = notice(reason, name=recipient)  # the mailbox stands for all: for the others it has left
            await self._remark(found[0], f"partly:{mail}:{recipient}", recipient, text)
            return True
        if kind == "failed":
            return await self.hub.signs.failed(Ref(MAIL, ref), who, reason, now)
        return True

    async def _others(self, mail: str, recipient: str) -> bool:
        """Whether a mail went, or may still go, to somebody else too."""
        rows = await self._ledger.db.all("mail.recipients", mail)
        return any(row["recipient"] != recipient and row["state"] != "refused" for row in rows)

    # -- out -----------------------------------------------------------------------------------------------

    async def report(self, reports: Sequence[Report]) -> None:
        """Tell writers outside what became of their mails. Raises Unavailable."""
        for report in reports:
            found = await self._ledger.of_ref(report.ref.id)
            about = found[1] if found is not None else None
            if found is None or not about or about.get("ours") or about.get("automatic") or not about.get("from"):
                continue
            chat = found[0].chat
            if chat.startswith(TEAM):  # who its members are is nobody's business outside
                await self._owed(report.message, about, report.states, chat.removeprefix(TEAM))
                continue
            for state in report.states:
                await self._owed(f"{report.message}:{state.person.id}", about, (state,))

    async def _owed(self, ident: str, about: Json, states: Sequence[RecipientState], box: str = "") -> None:
        """About one mailbox: the first who has it or has read it counts, a failure only if it is everybody's."""
        now = {one.state for one in states}
        if now == {State.REFUSED}:
            code = states[0].reason or "internal_error"
            await self._dsn(f"dsn:{ident}", about, box or await self._book.box(states[0].person), code)
        elif now <= {State.ACCEPTED, State.SENT} and (waits := next(filter(_lasts, (s.reason for s in states)), None)):
            if "DELAY" in about.get("notify", ()):
                await self._dsn(f"late:{ident}", about, box or await self._book.box(states[0].person), waits, late=True)
        elif "SUCCESS" in about.get("notify", ()) and now & {State.DELIVERED, State.READ}:
            await self._dsn(f"ok:{ident}", about, box or await self._book.box(states[0].person))
        if State.READ in now and self._give and about.get("mdn_to"):
            await self._mdn(f"mdn:{ident}", about, box or await self._book.box(states[0].person))

    async def bounce(self, taken: TakenMail, mail: Mail, recipients: Sequence[str], why: Refused) -> None:
        """A mail that was taken and cannot be delivered after all."""
        header = taken.raw.partition(b"\r\n\r\n")[0].decode("latin-1")
        about = {"sender": taken.envelope.sender, "envid": taken.envelope.envid, "header": header}
        if mail.automatic or not taken.envelope.sender:
            log.warning("a mail without a sender to tell could not be delivered: %s", why.code)
            return
        for recipient in recipients:
            file = why.about if why.code in ABOUT_A_FILE else ""
            await self._dsn(f"bounce:{mail.digest[:32]}:{recipient}", about, recipient, why.code, file=file)

    async def _dsn(
        self, ident: str, about: Json, recipient: str, code: str = "", *, late: bool = False, file: str = ""
    ) -> None:
        """It failed, or is late, for the reason that ``code`` names (``file``: of which file); or it was delivered."""
        to = about.get("sender")
        if not to:
            return
        row = DsnRecipient(recipient, "delivered", "2.0.0", recipient)
        if code:
            action, status = ("delayed", "4.0.0") if late else ("failed", "5.0.0")
            fr, en = say(code)
            words = (f"{file} : {fr}", f"{file}: {en}") if file else (fr, en)
            row = DsnRecipient(recipient, action, _STATUS.get(code, status), recipient, words=words)
        rows = [row]
        try:
            raw = compose_dsn(self._notice(ident, Box(to), about), rows, envelope_id=about.get("envid") or "")
        except Refused as refusal:
            log.warning("a report cannot be written: %s", refusal.code)
            return
        await self._post(ident, to, raw)

    async def _mdn(self, ident: str, about: Json, reader: str) -> None:
        to = Box(*about["mdn_to"])
        try:
            raw = compose_mdn(self._notice(ident, to, about, Box(reader)), "displayed", manual=True)
        except Refused as refusal:
            log.warning("a receipt cannot be written: %s", refusal.code)
            return
        await self._post(ident, to.address, raw)

    def _notice(self, ident: str, to: Box, about: Json, sender: Box | None = None) -> Notice:
        postmaster = Box(f"postmaster@{self._book.domain}", "Liaison")
        original = about.get("header", "").encode("latin-1", "replace") + b"\r\n\r\n"
        mid = f"{_word(ident)}@{self._book.domain}"
        return Notice(mid, sender or postmaster, to, self._clock(), original, self._hostname, self._product)

    async def _post(self, ident: str, to: str, raw: bytes) -> None:
        """Once for ever: the id says what it is about."""
        if self._book.ours(to):
            return
        word = _word(ident)
        async with self._ledger.db.transaction("mail.report") as tx:
            await self._ledger.post(tx, Posted(word, f"{word}@{self._book.domain}", "", (to,), (), raw, self._clock()))
        self.posted(to.rpartition("@")[2].lower())


def _lasts(reason: str | None) -> bool:
    """Whether somebody has to do something about it: a key takes seconds, an invitation minutes; if not, it is late."""
    return bool(reason) and reason not in ("recipient_no_key", "invited")


def _word(ident: str) -> str:
    return "r_" + hashlib.sha256(ident.encode()).hexdigest()[:32]


def _news(report: Dsn | Mdn, states: Collection[str], author: Box | None) -> list[tuple[str | None, str, str]]:
    """(recipient as we wrote it, None for somebody else; what happened; reason)

    A mail system reports about all of its mailboxes; a mailbox about itself only: a member of its team, or whoever else
    was written to, knows the id of the mail, too.
    """
    if not isinstance(report, Mdn):
        found = [(_match(r.original or r.address, r.address, states), r) for r in report.recipients]
        return [(whom, _about(r.action, author, r.address, whom), reason_of_status(r.status)) for whom, r in found]
    reader = report.recipient or report.original_recipient
    whom = _match(reader, report.original_recipient, states)
    if whom is not None and domain_of(whom) != domain_of(reader):
        whom = None  # what was forwarded and read elsewhere
    kind = "failed" if report.failed else report.disposition
    own = author is not None and author.address.lower() == reader.lower()  # RFC 8098, 3: the reader is its author
    if kind == "displayed" and whom is not None and (not own or whom.lower() != reader.lower()):
        kind = "delivered"  # read by a substitute, or under another name, or so somebody else says: we cannot tell
    return [(whom, kind if kind != "failed" else _about(kind, author, reader, whom), "mail_not_integrated")]


def _about(kind: str, author: Box | None, final: str, whom: str | None) -> str:
    """What a report says, if its author may say it of this mailbox."""
    if author is None or by_system(author) or whom is None or author.address.lower() in (final.lower(), whom.lower()):
        return kind
    return _SAID_BY_ANOTHER if kind == "failed" else ""


def _match(first: str, second: str, states: Collection[str]) -> str | None:
    """The recipient as we wrote it; the only one there is for another name in its domain (an alias of theirs)."""
    for name in (first, second):
        for known in states:
            if known.lower() == name.lower():
                return known
    only = next(iter(states)) if len(states) == 1 else ""
    return only if only and domain_of(only) == domain_of(first) else None
