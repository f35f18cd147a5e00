"""Scenarios of what is done to messages (corrections, removals, reactions), and of files, in both directions."""

from __future__ import annotations

import hashlib

from bridge.model import Body, File, Kind
from liaison.connect import Attachment, new_id
from liaison.kit.colleagues import Said
from liaison.kit.conformance.talking import of
from liaison.kit.conformance.trial import Came, Json, Trial

_PDF = b"%PDF-1.4 compte rendu du kit\n%%EOF\n"


async def _change(trial: Trial, came: Came, kind: Kind, text: str = "", about: str | None = None) -> str:
    """Ben changes something of his, and the product takes the webhook; gives his id of the change."""
    name = {
        Kind.EDIT: "message.edited",
        Kind.REMOVAL: "message.removed",
        Kind.REACTION: "message.reaction",
        Kind.HANDLED: "message.handled",
    }[kind]
    before = len(trial.tap.found(lambda call: call.type == name and call.taken))
    ident = await trial.say(came.chat, Said(text, kind, about or came.ident))
    await trial.eventually(lambda: len(trial.tap.found(lambda call: call.type == name and call.taken)) > before)
    return ident


def undeclared(trial: Trial, kind: str, *rules: str) -> bool:
    """Whether the product does not declare something; then these rules are not judged."""
    if kind in trial.able:
        return False
    for rule in rules:
        trial.judge.skip(rule, f"the product does not declare {kind}")
    return True


async def edit(trial: Trial) -> None:
    """Corrections."""
    judge = trial.judge
    if not undeclared(trial, "edit", "edit.shown", "edit.again"):
        came = await trial.from_ben()
        for rule in ("edit.shown", "edit.again"):
            text = f"Corrigé {new_id()[:8]}"
            await _change(trial, came, Kind.EDIT, text)
            judge.check(rule, await _reads(trial, came, text), "the old text is shown")
    sent, text = await trial.to_ben(), f"Je corrige {new_id()[:8]}"
    await trial.driver.act(trial.cleo, "edits", sent.message, text=text)
    judge.check("edit.sent", await trial.delivered(lambda one: one.body.text == text, Kind.EDIT), "none came")


async def _reads(trial: Trial, came: Came, text: str) -> bool:
    return await trial.shown(lambda all_: of(all_, came.message).get("text") == text, trial.cleo)


async def removal(trial: Trial) -> None:
    """Messages that are taken back."""
    if not undeclared(trial, "removal", "removal.shown"):
        came = await trial.from_ben()
        await _change(trial, came, Kind.REMOVAL)
        text = came.call.data["text"]
        gone = await trial.shown(lambda all_: all(one.get("text") != text for one in all_), trial.cleo)
        trial.judge.check("removal.shown", gone, "its text is still shown")
    sent = await trial.to_ben()
    await trial.driver.act(trial.cleo, "removals", sent.message)
    trial.judge.check("removal.sent", await _about(trial, sent.delivery.id, Kind.REMOVAL), "none came")


async def _about(trial: Trial, delivery: str, kind: Kind, text: str = "") -> bool:
    """Whether the colleagues got this about a message that they had got."""
    target = next(one for one in trial.colleagues.delivered if one.id == delivery)
    ident = trial.colleagues.id_of(target)
    found = await trial.delivered(
        lambda one: one.reply_to is not None and one.reply_to.id == ident and text in one.body.text, kind
    )
    return found is not None


async def reaction(trial: Trial) -> None:
    """Reactions, and that they are taken back."""
    if not undeclared(trial, "reaction", "reaction.shown", "reaction.back"):
        came = await trial.from_ben()
        ident = await _change(trial, came, Kind.REACTION, "👍")

        def keys(messages: list[Json]) -> list[str]:
            return [str(one.get("key")) for one in of(messages, came.message).get("reactions", [])]

        shown = await trial.shown(lambda all_: "👍" in keys(all_), trial.cleo)
        if trial.judge.check("reaction.shown", shown, "it is not shown"):
            if undeclared(trial, "removal", "reaction.back"):
                return
            await _change(trial, came, Kind.REMOVAL, about=ident)
            gone = await trial.shown(lambda all_: "👍" not in keys(all_), trial.cleo)
            trial.judge.check("reaction.back", gone, "it is still shown")
    sent = await trial.to_ben()
    await trial.driver.act(trial.cleo, "reactions", sent.message, key="👍")
    trial.judge.check("reaction.sent", await _about(trial, sent.delivery.id, Kind.REACTION, "👍"), "none came")


async def mark(trial: Trial) -> None:
    """Messages that somebody has dealt with, where the product says that it shows them."""
    if undeclared(trial, "handled", "mark.shown", "mark.sent"):
        return
    came = await trial.from_ben()
    await _change(trial, came, Kind.HANDLED, "Traité")
    shown = await trial.shown(lambda all_: of(all_, came.message).get("handled"), trial.cleo)
    trial.judge.check("mark.shown", shown, "it is shown like any other")
    sent = await trial.to_ben()
    await trial.driver.act(trial.cleo, "handled", sent.message)
    trial.judge.check("mark.sent", await _about(trial, sent.delivery.id, Kind.HANDLED), "none came")


async def file(trial: Trial) -> None:
    """Files, whole and damaged."""
    text, judge = f"Bilan {new_id()[:8]}", trial.judge
    came = await trial.from_ben(text, body=Body(text, files=(File("bilan é.pdf", "application/pdf", _PDF),)))
    digest = hashlib.sha256(_PDF).hexdigest()

    def whole(messages: list[Json]) -> bool:
        files = of(messages, came.message).get("files", [])
        return [(one.get("name"), one.get("sha256"), one.get("size")) for one in files] == [
            ("bilan é.pdf", digest, len(_PDF))
        ]

    judge.check("file.in", await trial.shown(whole, trial.cleo), "its name, size or sha256 is another one")
    damaged = [one | {"sha256": "0" * 64} for one in came.call.data["files"]]
    text = f"Abîmé {new_id()[:8]}"
    call = await trial.forged(trial.like(came, text=text, files=damaged))
    listed = [one for one in await trial.driver.messages(trial.cleo) if one.get("text") == text and one.get("files")]
    judge.check("file.checked", not call.taken or not listed, f"answered {call.status}, and the file is shown")
    sent = await trial.driver.write(
        trial.cleo, f"Le compte rendu {new_id()[:8]}", files=[Attachment("compte rendu.pdf", "application/pdf", _PDF)],
        to=["rpps:10001001014"],
    )  # fmt: skip
    arrived = await trial.delivered(
        lambda one: any((f.sha256, f.name) == (digest, "compte rendu.pdf") for f in one.body.files)
    )
    judge.check("file.out", arrived, f"no such file came with {sent.get('id')}")
