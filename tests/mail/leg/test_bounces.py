"""A mail that was taken and does not arrive comes back to its writer: to whom it did not go, why, and what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from bridge.errors import Refused
from bridge.model import Address, Delivery, Ref
from bridge.networks.mail.mime.mail import Mail
from bridge.networks.mail.mime.report_reading import Dsn
from tests.mail.hub import ANNA, BEN_BOX, CLEO_BOX, DAN_BOX, PEER, Node, Written, running
from tests.mail.space import HUB, Space


async def bounced(node: Node, count: int = 1) -> list[tuple[Mail, Dsn]]:
    """The reports that went to anna, with the null sender."""
    await node.mailed(count)
    await node.rest()
    assert len(node.out.sent) == count
    found = []
    for sender, recipients, mail, _ in node.out.sent:
        assert (sender, recipients) == ("", [ANNA])
        assert isinstance(mail.report, Dsn)
        found.append((mail, mail.report))
    return found


async def test_a_product_that_refuses_says_why(tmp_path: Path, space: Space, monkeypatch: pytest.MonkeyPatch) -> None:
    async with running(tmp_path, space) as node:

        async def refuses(delivery: Delivery) -> Ref:
            raise Refused("files_not_carried")

        monkeypatch.setattr(node.products["siilo"], "deliver", refuses)
        await node.hand_in(Written("Bonjour", to=[CLEO_BOX, BEN_BOX], mid=f"m1@{PEER}").raw(), CLEO_BOX, BEN_BOX)
        await node.got("Bonjour")
        ((mail, report),) = await bounced(node)
        (row,) = report.recipients
        assert (row.address, row.action, row.status) == (BEN_BOX, "failed", "5.6.1")
        assert "ne reçoit pas de fichiers. Envoyez le document par messagerie sécurisée." in mail.text
        assert "takes no files. Send the document by secure mail." in mail.text
        assert report.message_id == f"m1@{PEER}"


async def test_only_who_does_not_get_it_is_named(tmp_path: Path, space: Space) -> None:
    async with running(tmp_path, space) as node:
        await node.hand_in(Written("Entre nous", to=[DAN_BOX], mid=f"m0@{PEER}").raw(), DAN_BOX)
        seen = await node.got("Entre nous")
        room = f"salon-{seen.conversation.removeprefix('c_')}@{HUB}"
        other = f"Marc <marc.leroy@{PEER}>"
        written = Written("Aux deux", to=[CLEO_BOX], cc=[room], sender=other, mid=f"m1@{PEER}").raw()
        await node.hand_in(written, CLEO_BOX, room, sender=f"marc.leroy@{PEER}")
        await node.got("Aux deux")
        await node.mailed()
        await node.rest()
        ((sender, recipients, mail, _),) = node.out.sent
        assert (sender, recipients) == ("", [f"marc.leroy@{PEER}"])
        assert isinstance(mail.report, Dsn)
        assert [(r.address, r.status) for r in mail.report.recipients] == [(room, "5.7.1")]
        assert "ne participe pas à la conversation" in mail.text


async def test_who_writes_to_themselves_alone_hears_of_it(tmp_path: Path, space: Space) -> None:
    """anna uses the product too, and has a mailbox of the hub for it."""
    async with running(tmp_path, space) as node:
        box = await node.mail.book.box((await node.hub.declare(Address("pandalab", "anna"), "10000000001")).person)
        await node.hand_in(Written("Note à moi-même", to=[box], mid=f"m1@{PEER}").raw(), box)
        ((mail, report),) = await bounced(node)
        assert [r.address for r in report.recipients] == [box]
        assert "Vous êtes seul dans cette conversation" in mail.text
