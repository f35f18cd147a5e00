"""Apicrypt v1 through the real intake: refused in the SMTP dialogue, or opened by the FAKE codec of these tests."""

from __future__ import annotations

from email.message import EmailMessage
from pathlib import Path

import pytest

from bridge.errors import Refused, Unavailable
from bridge.model import File
from bridge.networks.mail.documents.codec import CodecSettings
from bridge.networks.mail.leg.apicrypt_opening import MOST_FILES, Opener, closed
from bridge.networks.mail.leg.settings import MailSettings
from bridge.networks.mail.mime.mail import Mail, parse
from tests.mail.documents.test_apicrypt import BLOCK, fake
from tests.mail.hub import ANNA, CLEO_BOX, PEER, SEAL, Node, Written, running
from tests.mail.smtp.peer import Peer
from tests.mail.space import Space

__all__ = ["fake"]


def encrypted(text: str = f"Bonjour\n\n{BLOCK}", *files: tuple[str, bytes], mid: str = "a1", html: str = "") -> bytes:
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = f"Anna Martin <{ANNA}>", CLEO_BOX, "Bilan"
    mail["Message-ID"], mail["Date"] = f"<{mid}@{PEER}>", "Sun, 22 Nov 2026 01:00:00 +0000"
    mail.set_content(text)
    if html:
        mail.add_alternative(html, subtype="html")
    for name, data in files:
        mail.add_attachment(data, maintype="application", subtype="octet-stream", filename=name)
    return mail.as_bytes().replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


async def said(node: Node, space: Space, raw: bytes) -> str:
    """What a peer operator reads after DATA, on the real port."""
    party = space.party("mail.mss-a.example", PEER)
    node.trust.list(PEER, party.dn)
    async with Peer(node.mail.smtp.port) as peer:
        await peer.tls(space.client_context(party))
        assert (await peer.envelope(ANNA, CLEO_BOX)).startswith("250")
        return await peer.data(raw)


async def stored(node: Node) -> list[bytes]:
    rows = await node.db.all("mail.waiting", 0, 100)
    return [SEAL.open(bytes((await node.db.one("mail.taken", r["n"]))["raw"]), "mail raw") for r in rows]  # type: ignore[index]


# without a codec


async def test_it_is_refused_in_the_dialogue_with_what_to_do(tmp_path: Path, space: Space) -> None:
    async with running(tmp_path, space) as node:
        for raw in (encrypted(), encrypted("Ci-joint", ("bilan.apz", b"\x01\x02"))):
            answer = await said(node, space, raw)
            first, second = answer.splitlines()
            assert first.startswith("554-5.7.1 Chiffre par Apicrypt v1")
            assert "MSSante (Apicrypt v2)" in first
            assert second.startswith("554 5.7.1 Encrypted with Apicrypt v1")
        assert await stored(node) == []
        await node.rest()
        assert not node.shown()


async def test_what_only_speaks_of_it_is_taken(tmp_path: Path, space: Space) -> None:
    async with running(tmp_path, space) as node:
        await node.hand_in(Written("Je n'ai plus $apicrypt\n> $apicrypt 1.0\n> XYZ").raw(), CLEO_BOX)
        await node.got("Je n'ai plus")


# with one


async def test_clear_text_and_files_go_on_the_raw_mail_stays(
    tmp_path: Path, space: Space, fake: tuple[str, ...]
) -> None:
    block = "$apicrypt 1.0\n" + "Potassium 5,9"[::-1]
    raw = encrypted(
        f"Bonjour\n\n{block}", ("bilan.pdf.apz", b"%PDF-1.4 x"[::-1]), ("note.txt", b"clair"), html="<p>chiffre</p>"
    )
    kept: list[bytes] = []
    async with running(tmp_path, space, apicrypt={"argv": list(fake)}) as node:
        settle = node.mail._intake._settle

        async def look(*args: object) -> None:
            kept.extend(await stored(node))
            await settle(*args)  # type: ignore[arg-type]

        node.mail._intake._settle = look
        assert (await said(node, space, raw)).startswith("250 2.0.0")
        seen = await node.got("Potassium 5,9")
        assert seen.body.text.startswith("Bilan\n\nBonjour")
        assert "$apicrypt" not in seen.body.text
        files = {f.name: f for f in seen.body.files}
        assert (files["bilan.pdf"].mime, files["bilan.pdf"].data) == ("application/pdf", b"%PDF-1.4 x")
        assert files["note.txt"].data == b"clair"
        assert b"$apicrypt" in files["message-original.eml"].data
    (one,) = kept
    assert one.startswith(b"Received: ")
    assert one.endswith(raw)


@pytest.mark.parametrize(
    ("how", "reply"),
    [
        ("fail", "554-5.7.1 Apicrypt v1: le codec du destinataire ne peut pas ouvrir ce message (exit 3)"),
        ("flood", "554-5.7.1 Apicrypt v1: le codec du destinataire"),
        ("later", "451-4.3.0"),
        ("missing", "451-4.3.0"),
    ],
)
async def test_what_the_codec_cannot_open(
    tmp_path: Path, space: Space, fake: tuple[str, ...], how: str, reply: str
) -> None:
    argv = ["/no/such/codec"] if how == "missing" else [*fake, how]
    async with running(tmp_path, space, apicrypt={"argv": argv, "max_bytes": 1000}) as node:
        assert (await said(node, space, encrypted())).startswith(reply)
        assert await stored(node) == []


async def test_after_a_restart_it_is_opened_again(tmp_path: Path, space: Space, fake: tuple[str, ...]) -> None:
    """And when the codec is gone by then, the mail is not: it goes on with an explanation."""
    for number, codec in enumerate([{"argv": list(fake)}, None]):
        folder = tmp_path / str(number)
        folder.mkdir()
        async with running(folder, space, apicrypt={"argv": list(fake)}) as node:
            node.mail._intake._settle = _never
            await node.hand_in(encrypted("Avant\n$apicrypt sruojnob", ("x.apz", b"\x03")), CLEO_BOX)
        async with running(folder, space, apicrypt=codec) as node:
            seen = await node.got("Avant")
            assert "$apicrypt" not in seen.body.text
            assert ("bonjours" in seen.body.text) == (codec is not None)
            assert ("ne peut pas l'ouvrir" in seen.body.text) == (codec is None)
            assert "message-original.eml" in {f.name for f in seen.body.files}


async def _never(*args: object) -> None:
    raise Unavailable("not_yet")


# the opener itself


def mail(raw: bytes) -> Mail:
    return parse(raw)


async def test_names_and_types_of_what_was_inside(fake: tuple[str, ...]) -> None:
    hpr = b"...\n****FIN****\n"
    files = (("a.APZ", b"%PDF-1.4"[::-1]), ("b.apz", hpr[::-1]), ("c.txt.apz", b"x"), ("d.apz", b"\x00\x01"))
    opened = await Opener(CodecSettings(argv=fake)).opened(mail(encrypted("Ci-joint", *files)))
    found = [(f.name, f.mime) for f in opened.files]
    assert found == [
        ("a.pdf", "application/pdf"), ("b.hpr", "text/plain"), ("c.txt", "application/octet-stream"),
        ("d", "application/octet-stream"),
    ]  # fmt: skip
    assert opened.text.strip() == "Ci-joint"
    assert "apicrypt_v1" in opened.problems


async def test_nothing_is_opened_twice(fake: tuple[str, ...]) -> None:
    opener = Opener(CodecSettings(argv=fake))
    once = await opener.opened(mail(encrypted("x\n$apicrypt " + "tpyrcipa$\n"[::-1])))
    assert await opener.opened(once) is once
    clear = mail(Written("clair").raw())
    assert await opener.opened(clear) is clear


async def test_bounds(fake: tuple[str, ...]) -> None:
    opener = Opener(CodecSettings(argv=fake, max_bytes=100))
    many = [(f"{n}.apz", b"x") for n in range(MOST_FILES + 1)]
    with pytest.raises(Refused, match="codec_too_large"):
        await opener.opened(mail(encrypted("x", *many)))
    with pytest.raises(Refused, match="codec_too_large"):  # each is small enough, together they are not
        await opener.opened(mail(encrypted("x", ("1.apz", b"x" * 60), ("2.apz", b"y" * 60))))
    with pytest.raises(Refused, match="codec_too_large"):
        await opener.opened(mail(encrypted("$apicrypt " + "xyz \n" * 100_000)))


async def test_a_long_clear_text_is_a_file_as_well(fake: tuple[str, ...]) -> None:
    opened = await Opener(CodecSettings(argv=fake)).opened(mail(encrypted("$apicrypt " + "mot \n" * 5_000)))
    assert [(f.name, f.mime) for f in opened.files] == [("message-clair.txt", "text/plain")]
    assert opened.files[0].data.decode() == opened.text


async def test_the_last_block_is_the_one_that_is_replaced(fake: tuple[str, ...]) -> None:
    opened = await Opener(CodecSettings(argv=fake)).opened(mail(encrypted("z $apicrypt a\n$apicrypt a")))
    assert opened.text == "z $apicrypt a\n" + "$apicrypt a"[::-1]


def test_a_closed_mail_says_why() -> None:
    shown = closed(mail(encrypted("Avant\n$apicrypt XX", ("a.apz", b"1"))), "codec_refused")
    assert shown.text.startswith("⚠️ Le codec Apicrypt")
    assert shown.text.endswith("Avant")
    assert shown.files == (File("a.apz", "application/octet-stream", b"1"),)


def test_settings(space: Space, tmp_path: Path) -> None:
    values = {"smtp": space.settings().model_dump(), "trust": {"path": space.bundle, "authority": space.bundle}}
    values["trust"]["state"] = tmp_path
    assert MailSettings.model_validate(values).apicrypt is None
    made = MailSettings.model_validate(values | {"apicrypt": {"argv": ["/opt/codec"]}})
    assert made.apicrypt is not None
    assert made.apicrypt.argv == ("/opt/codec",)
