"""What people read, French first: one catalogue of every sentence that leaves the hub."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from bridge.words.asking import ASKING
from bridge.words.causes import CAUSE_WORDS
from bridge.words.console import CONSOLE_WORDS, LOGIN_WORDS
from bridge.words.export import EXPORT_WORDS
from bridge.words.kinds import KIND_WORDS
from bridge.words.mail import MAIL
from bridge.words.notices import NOTICES
from bridge.words.on_duty import ON_DUTY
from bridge.words.problems import PROBLEMS
from bridge.words.products import PRODUCT_WORDS
from bridge.words.teams import TEAM_WORDS

_UNKNOWN = ("La demande ne peut pas aboutir.", "The request cannot be carried out.")

IN_TIME = frozenset(  # one word is enough for all
    {"taken_back", "taken_back_late", "corrected", "corrected_late", "superseded"}
)
GOOD_NEWS = IN_TIME | {"at_last", "identity_accepted", "own_account"}  # no failures

ABOUT_A_FILE = frozenset({"infected", "not_scanned"})  # refusals of one file, which they name (`Refused.about`)

WORDS: dict[str, tuple[str, str]] = {
    **PROBLEMS,
    **ON_DUTY,
    **ASKING,
    **NOTICES,
    **MAIL,
    **KIND_WORDS,
    **TEAM_WORDS,
    **EXPORT_WORDS,
    **LOGIN_WORDS,
    **CONSOLE_WORDS,
    **CAUSE_WORDS,
    **PRODUCT_WORDS,
}


def say(code: str) -> tuple[str, str]:
    """The French and the English sentence for a code."""
    return WORDS.get(code, _UNKNOWN)


def meaning(code: str, part: int = 1) -> str:
    """What a code of the hub means to an operator, in French (``part`` 0) or English; empty for a code without words.

    What people read comes first, then what operators read of the cause: ``product_answered_4`` stands for 400 to 499.
    """
    names = (code, f"console_why_{code}", f"console_why_{code[:-2]}")
    return next((WORDS[name][part] for name in names if name in WORDS), "")


_PARTS = {"both": slice(0, 2), "fr": slice(0, 1), "en": slice(1, 2)}
LANGUAGES = frozenset(_PARTS)
_spoken = ["both"]  # by this process: a hub serves one house
_reader: ContextVar[str | None] = ContextVar("language", default=None)


def speak(language: str) -> None:
    """From now on people read ``fr``, ``en``, or ``both`` (French first)."""
    _spoken[0] = language


@contextmanager
def speaking(language: str | None) -> Iterator[None]:
    """What this task says in the block is for somebody who reads this language; None: that of the house."""
    token = _reader.set(language)
    try:
        yield
    finally:
        _reader.reset(token)


def sentence(code: str, between: str = "\n") -> str:
    """The sentence for a code in the language of whoever reads it, else in those of this hub."""
    return between.join(say(code)[_PARTS[_reader.get() or _spoken[0]]])


def notice(code: str, name: str = "", count: int = 1) -> str:
    """A notice for a room, in the languages of this hub; never content.

    ``name`` is the person whom it is about, never the one who reads it. ``count``: so many messages fared alike.
    """
    prefix = (f"{name} : " if name else "") + (f"{count} × " if count > 1 else "")
    return f"{'ℹ️' if code in GOOD_NEWS else '⚠️'} {prefix}{sentence(code)}"
