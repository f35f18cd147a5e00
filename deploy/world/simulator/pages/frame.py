"""The frame of every page, and the form to write. Every value passes through Markup, which escapes it. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import quote

from markupsafe import Markup

from deploy.world.simulator.pages.words import Language, word


def fill(template: str, /, **values: object) -> Markup:
    """The template with these values, escaped."""
    return Markup(template).format(**values)


def joined(parts: Iterable[Markup]) -> Markup:
    """One after the other."""
    return Markup("").join(parts)


@dataclass(frozen=True, slots=True)
class Look:
    """For whom a page is made: the product's name, the language, the user (None: nobody), and their ``name``."""

    product: str
    language: Language
    user: str | None = None
    name: str = ""

    def say(self, code: str) -> str:
        """A word."""
        return word(code, self.language)

    @property
    def home(self) -> str:
        """The user's address."""
        return f"/u/{quote(self.user or '', safe='')}"

    def at(self, conversation: str) -> str:
        """A conversation's address."""
        return f"{self.home}/c/{quote(conversation, safe='')}"


_PAGE = """<!doctype html>
<html lang="{language}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title} – {product} ({simulator})</title>
<link rel="stylesheet" href="/static/page.css">
<script src="/static/page.js" defer></script>
</head>
<body>
<a class="skip" href="#main">{skip}</a>
<header>
<p class="product"><a href="/">{product}</a> <strong>{simulator}</strong>
<a class="language" href="?lang={other}" lang="{other}">{other_language}</a></p>
<p class="label">{not_vendor}</p>
</header>
{problem}
<main id="main">
{body}
</main>
</body>
</html>
"""


def page(look: Look, title: str, body: Markup, problem: str = "") -> str:
    """A whole page. ``problem``: what could not be done."""
    said = fill('<p class="problem" role="alert">{failed} {problem}</p>', failed=look.say("failed"), problem=problem)
    return str(
        fill(
            _PAGE, language=look.language, title=title, product=look.product, body=body,
            problem=said if problem else "", other="en" if look.language == "fr" else "fr",
            **{code: look.say(code) for code in ("simulator", "skip", "not_vendor", "other_language")},
        )
    )  # fmt: skip


def write(look: Look, action: str, fields: Markup, typing: str = "") -> Markup:
    """A line to write; ``fields`` go with it."""
    return fill(
        '<form class="write" method="post" action="{action}" enctype="multipart/form-data" data-typing="{typing}">'
        '{fields}<label for="text">{message}</label><textarea id="text" name="text" rows="3" autofocus></textarea>'
        '<p class="row"><label>{files} <input type="file" name="files" multiple></label>'
        '<label><input type="checkbox" name="urgent" value="1"> {urgent}</label>'
        '<button class="send">{send}</button> <small>{hint}</small></p></form>',
        action=action, typing=typing, fields=fields, message=look.say("message"), files=look.say("files"),
        urgent=look.say("urgent"), send=look.say("send"), hint=look.say("send_hint"),
    )  # fmt: skip
