"""Whether what a mail folds away was told in its chat before: then its original need not lie beside it once more."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence

from bridge.networks.mail.leg.contents import Content
from bridge.networks.mail.leg.ledger import Ledger
from bridge.networks.mail.leg.threads import KnownMail, people_key
from bridge.networks.mail.quoting.said_before import prints, repeats

_MOST = 8  # earlier mails that are looked at: an answer quotes the newest ones


class ToldBefore:
    """Looks into what the ledger keeps of earlier mails."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    async def all(self, chat: str, known: Mapping[str, Sequence[KnownMail]], shown: Content) -> tuple[bool, str]:
        """Whether everything of it was; and the mark of its signature, which the mail's entry cites (or empty).

        ``known``: the mails that it cites. A signature is told by the first mail that has it: its original lies there.
        """
        mark = f"signature:{people_key([' '.join(shown.signature.split())])}" if shown.signature.strip() else ""
        if mark and not any(row.chat == chat for row in (await self._ledger.known([mark])).get(mark, ())):
            return False, mark
        return not shown.quoted.strip() or repeats(shown.quoted, await self._kept(chat, known)), mark

    async def _kept(self, chat: str, known: Mapping[str, Sequence[KnownMail]]) -> list[bytes]:
        rows = sorted((row for rows in known.values() for row in rows if row.chat == chat), key=lambda row: -row.n)
        found = []
        for row in rows[:_MOST]:
            entry = await self._ledger.of_ref(row.ref) if row.ref is not None else None
            if entry is not None and entry[1] is not None:
                found.append(base64.b64decode(entry[1].get("prints", "")))
        return found


def printed(text: str) -> str:
    """What is noted about a mail so that a quotation of it is known again."""
    return base64.b64encode(prints(text)).decode("ascii")
