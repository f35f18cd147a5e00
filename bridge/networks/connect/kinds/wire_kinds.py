"""The words on the wire for what a message holds beside its text."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from bridge.extras import MOST_ANSWERS
from bridge.networks.connect.fields import Text, Wire

_Line = Annotated[Text, Field(min_length=1, max_length=500)]


def whole(value: Any) -> Any:
    """For JSON Schema 2.0 is an integer."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


AnswerId = Annotated[str, Field(pattern=r"^[!-~]{1,128}$", examples=["a"])]


class GivenPlace(Wire):
    """A place on the earth."""

    lat: float = Field(ge=-90, le=90, description="Degrees of WGS 84.")
    lon: float = Field(ge=-180, le=180)
    uncertainty: float | None = Field(default=None, ge=0, le=10_000_000, description="In metres.")
    label: _Line | None = Field(default=None, repr=False, examples=["Urgences, entrée sud"])


class PollAnswer(Wire):
    """One of the answers that a poll offers."""

    id: AnswerId
    text: _Line = Field(repr=False)


class PollAsked(Wire):
    """A question with answers."""

    question: _Line = Field(repr=False)
    answers: list[PollAnswer] = Field(min_length=1, max_length=MOST_ANSWERS, repr=False)
    most: Annotated[int, BeforeValidator(whole)] = Field(
        default=1, ge=1, le=MOST_ANSWERS, description="So many answers may be chosen."
    )
    disclosed: bool = Field(default=True, description="Counts are shown before the poll ends.")


class GivenCard(Wire):
    """Somebody's card; it comes as a file, too."""

    name: _Line = Field(repr=False)
    vcard: Annotated[Text, Field(max_length=64_000, pattern=r"(?i)^\s*BEGIN:VCARD")] = Field(
        repr=False, description="A vCard (RFC 6350)."
    )


class AnswerCount(Wire):
    """How many chose an answer."""

    id: str
    text: str = Field(repr=False)
    count: int


class PlaceView(GivenPlace):
    """A place on the earth, as others named it."""


class PollAnswerView(PollAnswer):
    """One of the answers that a poll offers."""


class PollView(PollAsked):
    """A question with answers, as others asked it."""

    answers: list[PollAnswerView] = Field(repr=False)  # type: ignore[assignment]


class CardView(GivenCard):
    """Somebody's card, as others sent it."""
