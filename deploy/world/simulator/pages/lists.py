"""A product's users, a user's conversations, the search and a first message, as HTML. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from deploy.world.simulator.pages.frame import Look, fill, joined, write
from deploy.world.simulator.pages.talk import Talk
from deploy.world.simulator.state import Json

_SHOWN = 90  # characters of the last message


# ---- who is here


def users(look: Look, known: Sequence[Json]) -> Markup:
    """Everybody who has an account, with the questions that wait for them."""
    rows = [_user(look, one) for one in known]
    listed = fill("<ul class='people'>{rows}</ul>", rows=joined(rows))
    empty = fill("<p>{text}</p>", text=look.say("no_users"))
    return fill("<h1>{title}</h1>{rest}", title=look.say("users"), rest=listed if rows else empty)


def _user(look: Look, user: Json) -> Markup:
    mine = Look(look.product, look.language, user["id"])
    standing = {"held": "held", "refused": "refused_account"}.get(user["state"] or "")
    questions = joined(_question(mine, one) for one in user["contests"] if one["state"] == "held")
    return fill(
        '<li><a href="{home}">{name}</a> <span>{standing}</span>{questions}</li>',
        home=mine.home, name=user["name"], standing=look.say(standing) if standing else "", questions=questions,
    )  # fmt: skip


def _question(look: Look, contest: Json) -> Markup:
    buttons = joined(
        fill('<button name="decision" value="{value}">{text}</button>', value=value, text=look.say(text))
        for value, text in (("accept", "yes"), ("refuse", "no"))
    )
    return fill(
        '<form method="post" action="{home}/confirm"><input type="hidden" name="product" value="{product}">'
        "{label} {text} {buttons}</form>",
        home=look.home, product=contest["product"], label=contest["label"], text=look.say("is_it_you"), buttons=buttons,
    )  # fmt: skip


# ---- a user's conversations, and the search


def conversations(look: Look, found: Sequence[Talk]) -> Markup:
    """The list, and where to begin."""
    rows = joined(_row(look, one) for one in found)
    listed = fill('<ul class="talks" id="live">{rows}</ul>', rows=rows)
    empty = fill('<p id="live">{text}</p>', text=look.say("no_conversations"))
    return fill(
        "<h1>{title} — {user}</h1>{search}{listed}",
        title=look.say("conversations"), user=look.name, search=_search(look, ""), listed=listed if found else empty,
    )  # fmt: skip


def _row(look: Look, one: Talk) -> Markup:
    unread = (
        fill(
            ' <span class="unread">{n} {text}</span>',
            n=one.unread,
            text=look.say("unread" if one.unread > 1 else "unread_one"),
        )
        if one.unread
        else ""
    )
    newest = one.newest
    text = look.say("removed") if newest and newest.get("removed") else (newest or {}).get("text", "")
    return fill(
        '<li><a href="{at}"><strong>{title}</strong>{unread}<span class="last">{text}</span></a></li>',
        at=look.at(one.id), title=one.title, unread=unread, text=text[:_SHOWN],
    )  # fmt: skip


def _search(look: Look, words: str) -> Markup:
    return fill(
        '<form class="search" method="get" action="{home}/search" role="search"><label for="q">{label}</label>'
        '<input id="q" name="q" value="{words}" minlength="2" maxlength="100" required><button>{do}</button></form>',
        home=look.home, label=look.say("search"), words=words, do=look.say("search_do"),
    )  # fmt: skip


def found(look: Look, words: str, people: Sequence[Json]) -> Markup:
    """Who was found: one or several are written to."""
    rows = joined(_person(look, n, one) for n, one in enumerate(people))
    form = fill(
        '<form method="get" action="{home}/new"><fieldset><legend>{choose}</legend>{rows}</fieldset>'
        "<button>{choose}</button></form>",
        home=look.home, choose=look.say("choose"), rows=rows,
    )  # fmt: skip
    nobody = fill('<p role="status">{text}</p>', text=look.say("nobody_found"))
    return fill(
        '<p><a href="{home}">{back}</a></p><h1>{title}</h1>{search}{rest}',
        home=look.home, back=look.say("back"), title=look.say("search"), search=_search(look, words),
        rest=form if people else nobody,
    )  # fmt: skip


def _person(look: Look, n: int, one: Json) -> Markup:
    ways = one.get("ways_text", {}).get(look.language) or look.say("unreachable")
    return fill(
        '<p><input type="checkbox" id="p{n}" name="to" value="{person}"> <label for="p{n}"><strong>{name}</strong> '
        "{profession}, {place} <small>{ways}</small></label></p>",
        n=n, person=one["person"], name=one["name"], profession=one["profession"], place=one["place"], ways=ways,
    )  # fmt: skip


def new(look: Look, to: Sequence[str]) -> Markup:
    """The first message of a conversation."""
    handles = joined(fill('<input type="hidden" name="to" value="{one}">', one=one) for one in to)
    fields = fill("{handles}<p>{to} : {names}</p>", handles=handles, to=look.say("to"), names=", ".join(to))
    return fill(
        '<p><a href="{home}">{back}</a></p><h1>{title}</h1>{form}',
        home=look.home, back=look.say("back"), title=look.say("new"),
        form=write(look, f"{look.home}/new", fields),
    )  # fmt: skip
