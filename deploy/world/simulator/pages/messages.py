"""One conversation as HTML: what was said, what can be done, who is there. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from urllib.parse import quote

from markupsafe import Markup

from deploy.world.simulator.pages.frame import Look, fill, joined, write
from deploy.world.simulator.pages.talk import Talk, came
from deploy.world.simulator.state import Json

KEYS = ("👍", "❤️", "✅")
_PICTURES = {"image/png", "image/jpeg", "image/gif", "image/webp"}
_QUOTED = 90  # characters of a message that is cited


# ---- a conversation


def conversation(look: Look, one: Talk, typing: Sequence[str], answered: Json | None) -> Markup:
    """All of it: what was said, a line to write, who is there."""
    fields = _answering(look, one, answered) if answered else Markup("")
    return fill(
        '<p><a href="{home}">{back}</a></p><h1>{title}</h1>'
        '<section id="live" aria-live="polite" data-read="{at}/read">{log}</section>'
        "{form}{asking}{group}",
        home=look.home, back=look.say("back"), title=one.title, at=look.at(one.id), log=log(look, one, typing),
        form=write(look, look.at(one.id) + "/messages", fields, typing=look.at(one.id) + "/typing"),
        asking=_asking(look, one), group=_group(look, one),
    )  # fmt: skip


def _asking(look: Look, one: Talk) -> Markup:
    """A question to everybody."""
    return fill(
        '<details class="asking"><summary>{title}</summary><form method="post" action="{at}/polls">'
        '<p><label>{question} <input name="question" required maxlength="500"></label></p>'
        '<p><label>{answers} <textarea name="answers" rows="3" required></textarea></label></p>'
        '<p><label><input type="checkbox" name="several" value="1"> {several}</label> <button>{ask}</button></p>'
        "</form></details>",
        at=look.at(one.id), title=look.say("ask_poll"), question=look.say("question"), answers=look.say("answers"),
        several=look.say("several"), ask=look.say("ask"),
    )  # fmt: skip


def log(look: Look, one: Talk, typing: Sequence[str]) -> Markup:
    """The messages, and who types."""
    texts = {message["id"]: message for message in one.messages}
    rows = joined(_message(look, one, message, texts) for message in one.messages)
    types = joined(fill("<p class='types'>{name} {types}</p>", name=name, types=look.say("types")) for name in typing)
    unread = (
        fill(
            '<form class="unread" method="post" action="{at}/read"><button>{text} ({n})</button></form>',
            at=look.at(one.id),
            text=look.say("mark_read"),
            n=one.unread,
        )
        if one.unread
        else ""
    )
    return fill('<ol class="log">{rows}</ol>{types}{unread}', rows=rows, types=types, unread=unread)


def _message(look: Look, where: Talk, one: Json, texts: dict[str, Json]) -> Markup:
    mine = one["sender"] == look.user
    sender = (
        one["sender"]["name"]
        if came(one)
        else (look.say("you") if mine else where.names.get(one["sender"], one["sender"]))
    )
    kinds = [kind for kind, is_so in (("mine", mine), ("urgent", _urgent(one)), ("system", one.get("system"))) if is_so]
    return fill(
        '<li class="{kinds}" id="{id}"><p class="head"><strong>{sender}</strong> <time datetime="{at}">{time}</time>'
        "{marks}</p>{cited}{body}{poll}{files}{reactions}{state}{actions}</li>",
        kinds=" ".join(kinds), id=one["id"], sender=sender, at=one["at"], time=_time(one["at"]),
        marks=_marks(look, one), cited=_cited(one, texts), body=_body(look, one), poll=_poll(look, where, one),
        files=_files(one),
        reactions=_reactions(where, one), state=_state(look, one) if mine else "",
        actions=_actions(look, where, one, mine) if not one.get("removed") else "",
    )  # fmt: skip


def _urgent(one: Json) -> bool:
    return bool(one.get("priority") == "urgent")


def _time(at: str) -> str:
    return datetime.fromisoformat(at).astimezone().strftime("%H:%M")


def _marks(look: Look, one: Json) -> Markup:
    words = [code for code, is_so in (("urgent", _urgent(one)), ("from_liaison", one.get("system"))) if is_so]
    words += ["edited"] if one.get("edited") else []
    return joined(fill(' <span class="mark">{text}</span>', text=look.say(code)) for code in words)


def _cited(one: Json, texts: dict[str, Json]) -> Markup:
    cited = texts.get(one.get("reply_to") or "")
    if cited is None:
        return Markup("")
    return fill("<blockquote>{text}</blockquote>", text=cited.get("text", "")[:_QUOTED])


def _body(look: Look, one: Json) -> Markup:
    if one.get("removed"):
        return fill('<p class="gone">{text}</p>', text=look.say("removed"))
    return fill('<p class="text">{text}</p>', text=one["text"]) if one.get("text") else Markup("")


def _poll(look: Look, where: Talk, one: Json) -> Markup:
    """A vote, while there is something to vote on; then the counts."""
    poll, at = one.get("poll"), f"{look.at(where.id)}/messages/{quote(one['id'], safe='')}"
    if not poll or one.get("removed"):
        return Markup("")
    if one.get("ended"):
        rows = joined(fill("<li>{n} × {text}</li>", n=c["count"], text=c["text"]) for c in one.get("counts", []))
        return fill('<ul class="counts">{rows}</ul>', rows=rows)
    chosen = one.get("votes", {}).get(look.user, [])
    kind = "checkbox" if poll.get("most", 1) > 1 else "radio"
    rows = joined(
        fill(
            '<label><input type="{kind}" name="answers" value="{id}"{checked}> {text}</label>',
            kind=kind,
            id=answer["id"],
            text=answer["text"],
            checked=Markup(" checked") if answer["id"] in chosen else "",
        )
        for answer in poll["answers"]
    )
    end = fill('<form method="post" action="{at}/end"><button>{end}</button></form>', at=at, end=look.say("end_poll"))
    return fill(
        '<form class="poll" method="post" action="{at}/votes"><fieldset><legend>{question}</legend>{rows}</fieldset>'
        "<button>{vote}</button></form>{end}",
        at=at, question=poll["question"], rows=rows, vote=look.say("vote"),
        end=end if one["sender"] == look.user else "",
    )  # fmt: skip


def _files(one: Json) -> Markup:
    parts = []
    for file in one.get("files", []):
        url = "/files/" + quote(file["id"], safe="")
        if file["type"] in _PICTURES:
            parts.append(fill('<p><img src="{url}" alt="{name}" loading="lazy"></p>', url=url, name=file["name"]))
        parts.append(
            fill('<p class="file"><a href="{url}" download>{name}</a> ({kib} Kio)</p>', url=url, name=file["name"],
               kib=-(-file["size"] // 1024))
        )  # fmt: skip
    return joined(parts)


def _reactions(where: Talk, one: Json) -> Markup:
    by: dict[str, list[str]] = {}
    for reaction in one.get("reactions", []):
        by.setdefault(reaction["key"], []).append(where.names.get(reaction["by"], reaction["by"]))
    rows = joined(
        fill(
            '<li title="{who}"><span>{key}</span> {n} <small>{who}</small></li>',
            key=key,
            n=len(who),
            who=", ".join(who),
        )
        for key, who in by.items()
    )
    return fill('<ul class="reactions">{rows}</ul>', rows=rows) if by else Markup("")


def _state(look: Look, one: Json) -> Markup:
    who = joined(_recipient(look, recipient) for recipient in one.get("outcome", []))
    problem = one.get("problem") or {}
    said = fill("<p>{detail}</p>", detail=problem["detail"]) if problem.get("detail") else ""
    return fill(
        '<details class="state {state}"><summary>{text}</summary><ul>{who}</ul>{said}</details>',
        state=one["state"], text=look.say(one["state"]), who=who, said=said,
    )  # fmt: skip


def _recipient(look: Look, one: Json) -> Markup:
    why = (one.get("reason_text") or {}).get(look.language, "")
    return fill("<li>{name} : {state} {why}</li>", name=one["name"], state=look.say(one["state"]), why=why)


def _actions(look: Look, where: Talk, one: Json, mine: bool) -> Markup:
    at = f"{look.at(where.id)}/messages/{quote(one['id'], safe='')}"
    given = [r["key"] for r in one.get("reactions", []) if r["by"] == look.user]
    keys = joined(
        fill('<button name="key" value="{key}" aria-pressed="{pressed}" aria-label="{react} {key}">{key}</button>',
           key=key, pressed="true" if key in given else "false", react=look.say("react"))
        for key in KEYS
    )  # fmt: skip
    own = (
        fill(
            '<form method="post" action="{at}/edits"><label>{edit}<textarea name="text" required>{text}</textarea>'
            "</label><button>{edit}</button></form>"
            '<form method="post" action="{at}/removals"><button>{remove}</button></form>',
            at=at,
            edit=look.say("edit"),
            remove=look.say("remove"),
            text=one.get("text", ""),
        )
        if mine
        else ""
    )
    return fill(
        '<details class="actions"><summary>{title}</summary><p><a href="?reply={id}#text">{reply}</a></p>'
        '<form method="post" action="{at}/reactions">{keys}</form>{own}</details>',
        title=look.say("actions"), id=one["id"], reply=look.say("reply"), at=at, keys=keys, own=own,
    )  # fmt: skip


def _answering(look: Look, where: Talk, one: Json) -> Markup:
    return fill(
        '<input type="hidden" name="reply_to" value="{id}"><p>{title} <q>{text}</q> <a href="{at}">{stop}</a></p>',
        id=one["id"], title=look.say("answering"), text=one.get("text", "")[:_QUOTED], at=look.at(where.id),
        stop=look.say("stop_answering"),
    )  # fmt: skip


def _group(look: Look, one: Talk) -> Markup:
    at = look.at(one.id)
    members = joined(_member(look, at, member) for member in one.members)
    name = one.name or {}
    checked = Markup(" checked") if name.get("about_patient") else ""
    return fill(
        '<details class="group"><summary>{group} ({n})</summary><h2>{title}</h2><ul>{members}</ul>'
        '<form method="post" action="{at}/members"><label>{whom} <input name="add" pattern="[a-z]+:.+" required>'
        '</label><button>{add}</button></form><form method="post" action="{at}/name"><label>{rename} '
        '<input name="text" value="{name}" maxlength="255"></label>'
        '<label><input type="checkbox" name="about_patient" value="1"{checked}> '
        "{patient}</label><button>{save}</button></form></details>",
        group=look.say("group"), n=len(one.members), title=look.say("members"), members=members, at=at,
        whom=look.say("add_whom"), add=look.say("add"), rename=look.say("rename"), name=name.get("text", ""),
        checked=checked, patient=look.say("about_patient"), save=look.say("save"),
    )  # fmt: skip


def _member(look: Look, at: str, one: Json) -> Markup:
    return fill(
        '<li>{name} <small>{profession}, {place} ({network})</small><form method="post" action="{at}/members">'
        '<button name="remove" value="{person}">{out}</button></form></li>',
        name=one["name"], profession=one["profession"], place=one["place"], network=one["network"], at=at,
        person=one["person"], out=look.say("take_out"),
    )  # fmt: skip
