"""The kinds of values on the wire of Connect, and the rules that hold for every body."""

from __future__ import annotations

import re
from base64 import b64decode, urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from hashlib import blake2b
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, PlainValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

from bridge.errors import Refused
from bridge.model import GroupName
from bridge.parts.lines import one_name
from bridge.parts.moments import written
from bridge.receiver import Narrowing

Json = dict[str, Any]
ID_PATTERN = r"^[!-~]{1,255}$"  # printable ASCII, no space: opaque, yet safe in logs, paths and databases
PRODUCT_PATTERN = r"^[a-z][a-z0-9_-]{0,31}$"
SEARCH_PATTERN = r"^[^\x00-\x1F\x7F]*$"
_HANDLE = r"^[a-z][a-z0-9_-]{0,31}:[!-~]{1,255}$"
_TEXT = r"^[^\x00-\x08\x0B\x0C\x0E-\x1F\x7F]*$"  # tab and line breaks are the only control characters
REACTION_PATTERN = r"^[^\x00-\x1F\x7F]*$"
MIME_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}/[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}$"  # RFC 6838, 4.2
_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - UTC, written as Z
_RFC3339 = re.compile(
    r"(19[7-9][0-9]|[2-9][0-9]{3})-(0[1-9]|1[0-2])-[0-3][0-9][Tt][0-2][0-9]:[0-5][0-9]:[0-5][0-9](\.[0-9]{1,9})?"
    r"([Zz]|[+-](0[0-9]|1[0-4]):[0-5][0-9])"
)


def _rfc3339(value: Any) -> Any:
    if not isinstance(value, str) or not _RFC3339.fullmatch(value):
        raise PydanticCustomError("rfc3339", "not a date and time of RFC 3339 with an offset")
    return value


def _base64(value: Any) -> bytes:
    if not isinstance(value, str):
        raise PydanticCustomError("base64", "must be a string of base64")
    try:
        content = b64decode(value, validate=True)
    except ValueError:
        raise PydanticCustomError("base64", "not base64") from None
    if not content:
        raise PydanticCustomError("string_too_short", "empty")
    if len(value) % 4 or len(content) != len(value) // 4 * 3 - value.count("=", -2):  # b64decode forgives some =
        raise PydanticCustomError("base64", "not base64")
    return content


def _content(pattern: str) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "contentEncoding": "base64", "pattern": pattern, "examples": ["JVBERi0="]})


_QUADS, _LAST = "(?:[A-Za-z0-9+/]{4})", "(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)"
Content = Annotated[bytes, PlainValidator(_base64), _content(f"^(?:{_QUADS}+{_LAST}?|{_LAST})$")]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Id = Annotated[str, Field(pattern=ID_PATTERN)]
Handle = Annotated[str, Field(pattern=_HANDLE, examples=["rpps:10001002027", "matrix:@ben:chu.example"])]
Text = Annotated[str, Field(pattern=_TEXT)]
Rpps = Annotated[str, Field(pattern=r"^[0-9]{11}$", examples=["10001002027"])]
RoleName = Annotated[
    Literal["owner", "admin", "member"],
    Field(
        description="Where the members themselves are told (`GET /conversations/{id}`, `conversation.members`). "
        "`owner`: gives and takes every right; `admin`: removes people and names the conversation."
    ),
]
RightNames = Annotated[
    list[Literal["add", "remove", "rename"]],
    Field(description="What the member may do there, so that a product offers nothing else."),
]
Time = Annotated[
    AwareDatetime,
    Field(strict=False),
    BeforeValidator(_rfc3339),
    WithJsonSchema(
        {
            "type": "string",
            "format": "date-time",
            "pattern": f"^{_RFC3339.pattern}$",
            "examples": ["2026-03-01T08:00:00.000Z"],
        }
    ),
]


def time_text(at: int) -> str:
    """Milliseconds since 1970 as RFC 3339 in UTC."""
    return (_EPOCH + timedelta(milliseconds=written(at))).isoformat(timespec="milliseconds") + "Z"


class Wire(BaseModel):
    """What all have in common: unknown keys are errors, nothing is guessed from another type."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, hide_input_in_errors=True)


# ---- what is asked of ``GET /people``, and the cursor by which it goes on

SHORTEST, LONGEST = 2, 100
DEFAULT, MOST = 20, 50
KINDS = ("person", "service", "function")
DEEPEST = 200
"""People of one search, over all pages: who wants more has to say more."""

_ID = re.compile(ID_PATTERN.removesuffix("$"))  # for fullmatch, to which a final line break is no end
_SEARCH = re.compile(SEARCH_PATTERN.removesuffix("$"))
CURSOR_PATTERN = "^[A-Za-z0-9_-]{1,64}$"
_NARROWING = ("profession", "place", "town")


@dataclass(frozen=True, slots=True)
class PeopleQuery:
    """``user``: the product's id of whoever asks, may be empty."""

    words: str
    limit: int
    user: str
    narrowing: Narrowing

    def next(self, found: int) -> str | None:
        """The cursor after a page on which so many were found; None: that was all, or enough."""
        after = self.narrowing.after + self.limit
        return None if found < self.limit or after >= DEEPEST else _cursor(self, after)


def people_query(query: Mapping[str, str]) -> PeopleQuery:
    """Raises Refused (invalid, unknown_cursor) that names the parameter."""
    words = query.get("q", "")
    fields = {name: query.get(name, "") for name in _NARROWING}
    for name, text in {"q": words, **fields}.items():
        if len(text) > LONGEST or not _SEARCH.fullmatch(text):
            raise Refused("invalid", name)
    if len(words) < SHORTEST:
        raise Refused("invalid", "q")
    kind = query.get("kind", "")
    if kind and kind not in KINDS:
        raise Refused("invalid", "kind")
    limit = query.get("limit", f"{DEFAULT}")
    if not re.fullmatch("[1-9][0-9]?", limit) or int(limit) > MOST:
        raise Refused("invalid", "limit")
    user = query.get("user", "")
    if user and not _ID.fullmatch(user):
        raise Refused("invalid", "user")
    narrowing = Narrowing(fields["profession"], fields["place"], fields["town"], kind)
    asked = PeopleQuery(words, int(limit), user, narrowing)
    if "cursor" not in query:
        return asked
    return replace(asked, narrowing=replace(narrowing, after=_after(asked, query["cursor"])))


def _cursor(asked: PeopleQuery, after: int) -> str:
    return urlsafe_b64encode(f"{after}.{_of(asked)}".encode()).decode().rstrip("=")


def _after(asked: PeopleQuery, cursor: str) -> int:
    """A cursor goes on with the search that gave it, and with no other."""
    try:
        after, _, of = urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode().partition(".")
    except ValueError:
        raise Refused("unknown_cursor", "cursor") from None
    if of != _of(asked) or not re.fullmatch("[1-9][0-9]{0,2}", after) or int(after) >= DEEPEST:
        raise Refused("unknown_cursor", "cursor")
    return int(after)


def _of(asked: PeopleQuery) -> str:
    narrowing = asked.narrowing
    said = (asked.words, narrowing.profession, narrowing.place, narrowing.town, narrowing.kind)
    return blake2b("\x00".join(said).encode("utf-8", "surrogatepass"), digest_size=6).hexdigest()


# ---- the name of a conversation

LONGEST_NAME = 255  # characters
_NAME = r"^[^\x00-\x1F\x7F]*[^\x00-\x20\x7F][^\x00-\x1F\x7F]*$"  # at least one that is seen


class GivenName(Wire):
    """What people call a conversation. Both are needed: only the product knows whether a name tells who is treated."""

    text: str = Field(
        min_length=1,
        max_length=LONGEST_NAME,
        pattern=_NAME,
        repr=False,
        description="One line.",
        examples=["RCP thorax"],
    )
    about_patient: bool = Field(
        description="The name says who a patient is: it is shown only where nobody else can read it. Without it, the "
        "name is the Matrix room's, which servers can read."
    )


class NameView(Wire):
    """What people call a conversation. ``about_patient``: show it only to those who treat this patient."""

    text: str = Field(repr=False)
    about_patient: bool


class Renaming(Wire):
    """What a conversation is called from now on."""

    id: Id = Field(description="Idempotency key, of the same kind as the ids of messages.")
    by: Id = Field(description="The product's user who does it.")
    name: GivenName | None = Field(description="`null` takes the name away.")


class NameAccepted(Wire):
    """The name is on the hub's disk."""

    id: str
    conversation: str


def to_group_name(given: GivenName | None) -> GroupName:
    """The hub's noun for what a product says; characters that turn the direction of a line are left out."""
    return GroupName("") if given is None else GroupName(one_name(given.text, LONGEST_NAME), given.about_patient)


def from_group_name(name: GroupName | None) -> Json | None:
    """A name as products see it."""
    return None if name is None else {"text": name.text, "about_patient": name.about_patient}
