"""The frame of every page: its language, its templates, and who looks at it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from aiohttp import web
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from appservice.console.login.sessions import Operator
from bridge.words import WORDS, meaning

LANGUAGES = ("fr", "en")
LANGUAGE_COOKIE = "language"
_TEMPLATES = Path(__file__).parent / "pages/templates"
_PAGES = (
    ("/", "overview", ()), ("/waiting", "waiting", ("/delivery/",)),
    ("/messages", "messages", ("/message/", "/conversation/")), ("/people", "people", ()), ("/claims", "claims", ()),
    ("/products", "products", ("/product/",)), ("/directory", "directory", ()), ("/trust", "trust", ()),
    ("/audit", "audit", ()), ("/alarms", "alarms", ()),
)  # fmt: skip
"""Paths of the pages, their names, and the beginnings of what is reached from them."""
_CALENDAR = 253_402_300_800_000  # ms: the year 10,000
_OWN_PATH = re.compile(r"/(?![/\\])[A-Za-z0-9._~%!$&'()*+,;=:@/?-]*")


@dataclass(slots=True)
class Visit:
    """One request. ``csrf``: the word that its forms carry."""

    language: str
    operator: Operator | None = None
    csrf: str = ""


VISIT = web.RequestKey("visit", Visit)


def language_of(request: web.Request, house: str) -> str:
    """The reader's: chosen before, as their browser says, else the house's (``both``: French)."""
    chosen = request.cookies.get(LANGUAGE_COOKIE)
    if chosen in LANGUAGES:
        return chosen
    for part in request.headers.get("Accept-Language", "")[:200].split(","):
        name = part.partition(";")[0].strip().lower()[:2]
        if name in LANGUAGES:
            return name
    return house if house in LANGUAGES else "fr"


def own_path(text: str) -> str:
    """A path of this console, and nothing else: never another site's address."""
    return text if len(text) < 2000 and _OWN_PATH.fullmatch(text) else "/"


def words(language: str) -> Callable[..., str]:
    """The console's sentences in one language; what is asked for is in the catalogue."""
    part = LANGUAGES.index(language)

    def said(code: str, **values: object) -> str:
        text = WORDS[f"console_{code}"][part]
        return text.format(**values) if values else text

    return said


def sentences(language: str) -> Callable[[str], str]:
    """What a code of the hub means, in one language; empty for a code without words."""
    return partial(meaning, part=LANGUAGES.index(language))


def moment(milliseconds: float | None) -> Markup:
    """A time (UTC), as people and machines read it; a dash for none, and for one that no calendar has."""
    if milliseconds is None or not 0 <= milliseconds < _CALENDAR:
        return Markup("–")
    at = datetime.fromtimestamp(milliseconds / 1000, UTC)
    return Markup('<time datetime="{}">{}</time>').format(
        at.isoformat(timespec="seconds"), at.strftime("%Y-%m-%d %H:%M:%S UTC")
    )


def lasting(language: str) -> Callable[[float], str]:
    """A length of time (s): its largest unit and the next."""
    day = {"fr": "j", "en": "d"}[language]

    def said(seconds: float) -> str:
        left = max(0, int(seconds))
        for size, unit, smaller, less in ((86_400, day, 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s")):
            if left >= size:
                return f"{left // size} {unit} {left % size // smaller} {less}"
        return f"{left} s"

    return said


class PageFrame:
    """Makes pages. Every value is escaped, and one that is missing is an error."""

    def __init__(self) -> None:
        self._templates = Environment(
            loader=FileSystemLoader(_TEMPLATES), autoescape=True, undefined=StrictUndefined,
            trim_blocks=True, lstrip_blocks=True, auto_reload=False,
        )  # fmt: skip
        self._templates.filters["moment"] = moment

    def page(self, request: web.Request, name: str, data: Mapping[str, Any] = {}, status: int = 200) -> web.Response:
        """A page for whoever asks."""
        visit = request[VISIT]
        text = self._templates.get_template(f"{name}.html").render(
            t=words(visit.language), sentence=sentences(visit.language), lasting=lasting(visit.language),
            language=visit.language, operator=visit.operator, csrf=visit.csrf, here=request.path,
            whole=request.path_qs, pages=_PAGES, **data,
        )  # fmt: skip
        return web.Response(text=text, content_type="text/html", status=status)

    def problem(self, request: web.Request, code: str, status: int, about: str = "") -> web.Response:
        """A page that says why not; ``code`` has words."""
        return self.page(request, "problem", {"code": code, "about": about}, status)
