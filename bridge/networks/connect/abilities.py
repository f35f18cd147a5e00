"""What a product can do: its profile, changed by what the product declares, and last by what the operator fixes."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Iterable
from typing import Annotated, Any

import orjson
from pydantic import BeforeValidator, Field, ValidationError

from bridge.connector import Capabilities
from bridge.db import Database
from bridge.kinds import EVERYWHERE
from bridge.model import Kind
from bridge.networks.connect.fields import Wire
from bridge.networks.connect.kinds.wire_kinds import whole
from bridge.networks.connect.products import Product
from bridge.networks.connect.profiles import BY_URL, MAX_BY_URL, in_bounds
from bridge.networks.connect.wire import AboutKind
from bridge.receiver import InCommon

_log = logging.getLogger(__name__)
_SWITCHES = (
    "html", "replies", "threads", "typing", "receipts", "files", "files_by_url", "mentions", "locations", "contacts",
    "stickers", "voice",
)  # fmt: skip
OPTIONAL = (Kind.EDIT, Kind.REMOVAL, Kind.REACTION, Kind.HANDLED, Kind.POLL, Kind.PICTURE)
_EDIT_WITHIN = "Seconds after which it changes no message any more: a later correction comes as a text."
_TEXT = "Bytes of a text and its HTML as JSON: longer texts come in parts. Only less than the hub gives counts."
_FILES = "Bytes of all files of one message. Only less than the hub gives counts."
_WHOLE = BeforeValidator(whole)
_Bytes = Annotated[int, Field(ge=1_000_000, le=MAX_BY_URL), _WHOLE]
_Seconds = Annotated[int, Field(ge=0, le=10 * 366 * 86_400), _WHOLE]
_WITH = {Kind.POLL: {Kind.VOTE, Kind.POLL_END}}


class Abilities(Wire):
    """What this version of the product can do with what it is given. Replaces what it declared before."""

    version: str | None = Field(
        default=None, max_length=64, pattern=r"^[ -~]*$", description="The product's own version."
    )
    kinds: list[AboutKind] = Field(
        default_factory=list,
        json_schema_extra={"default": []},
        max_length=8,
        description="Webhooks beyond `message.created` that the product handles: `edit` is `message.edited`, `removal` "
        "`message.removed`, `reaction` `message.reaction`, `handled` `message.handled`, `poll` also `message.vote` and "
        "`message.poll_ended`, `picture` `conversation.picture`. Whatever "
        "is not declared its users read as a text, where it makes sense.",
    )
    html: bool | None = None
    replies: bool | None = None
    threads: bool | None = None
    typing: bool | None = None
    receipts: bool | None = None
    files: bool | None = None
    mentions: bool | None = Field(default=None, description="It notifies whom a message calls (`mentioned`).")
    locations: bool | None = Field(default=None, description="It shows `location`.")
    contacts: bool | None = Field(default=None, description="It shows `contact`.")
    stickers: bool | None = Field(default=None, description="It knows a sticker from a picture.")
    voice: bool | None = Field(default=None, description="It knows a voice message from another sound.")
    edit_within: _Seconds | None = Field(default=None, description=_EDIT_WITHIN)
    removal_within: _Seconds | None = Field(default=None, description="The same for taking it back.")
    max_text: Annotated[int, Field(ge=1_000, le=1_000_000), _WHOLE] | None = Field(default=None, description=_TEXT)
    max_files: Annotated[int, Field(ge=1_000_000, le=MAX_BY_URL), _WHOLE] | None = Field(
        default=None, description=_FILES
    )
    files_by_url: bool | None = Field(
        default=None,
        description="Webhooks name files (`url`) and do not hold them: the product fetches them when it wants to. Then "
        "files may be larger, both ways (`max_files`).",
    )


class AbilitiesView(Wire):
    """What the hub takes the product to be able to: its profile, as the product and the hub's operator changed it."""

    version: str | None
    kinds: list[AboutKind]
    html: bool
    replies: bool
    threads: bool
    typing: bool
    receipts: bool
    files: bool
    files_by_url: bool
    mentions: bool = False
    locations: bool = False
    contacts: bool = False
    stickers: bool = False
    voice: bool = False
    max_files: int
    max_text: int
    edit_within: int | None = Field(default=None, description="Seconds; null: there is no limit.")
    removal_within: int | None = None


def able(profile: Capabilities, said: Abilities, fixed: dict[str, Any]) -> Capabilities:
    """``fixed``: what the configuration says, which no product changes."""
    declared: dict[str, Any] = {name: getattr(said, name) for name in _SWITCHES if getattr(said, name) is not None}
    if declared.get("files_by_url"):
        declared["max_files"] = BY_URL
    declared |= {name: getattr(said, name) for name in ("edit_within", "removal_within")}
    for name, most in (("max_text", profile.max_text), ("max_files", declared.get("max_files", profile.max_files))):
        if (own := getattr(said, name)) is not None:
            declared[name] = min(own, most)
    kinds = {Kind(kind) for kind in said.kinds}
    declared["kinds"] = EVERYWHERE | kinds.union(*(_WITH.get(kind, set()) for kind in kinds))
    return in_bounds(dataclasses.replace(profile, **(declared | fixed)))


def to_view(able: Capabilities, version: str | None) -> dict[str, Any]:
    """The answer to ``GET`` and ``PUT /capabilities``."""
    shown = {name: getattr(able, name) for name in _SWITCHES}
    limits = {name: getattr(able, name) for name in ("max_files", "max_text", "edit_within", "removal_within")}
    return {"version": version, "kinds": _optional(able.kinds)} | shown | limits


def to_carried(carried: InCommon) -> dict[str, Any]:
    """What the others of a conversation can be given."""
    return {
        "kinds": _optional(carried.kinds), "files": carried.files, "max_files": carried.max_files,
        "max_text": carried.max_text, "edit_within": carried.edit_within, "removal_within": carried.removal_within,
    }  # fmt: skip


def _optional(kinds: Iterable[Kind]) -> list[str]:
    return [kind.value for kind in OPTIONAL if kind in kinds]


class Declared:
    """What products have declared, on disk; it counts from the next message on."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def load(self, product: Product) -> None:
        """As it was when the hub ended."""
        row = await self._db.one("connect.abilities", product.name)
        if row is None:
            return
        try:
            self._use(product, Abilities.model_validate_json(row["said"]))
        except ValidationError:  # of a newer hub
            _log.warning("connect: %s: what it declared cannot be read: its profile counts", product.name)

    async def declare(self, product: Product, said: Abilities, now: int) -> None:
        """From now on. ``now`` in milliseconds."""
        kept = orjson.dumps(said.model_dump(exclude_none=True)).decode()
        async with self._db.transaction("connect.abilities") as tx:
            await tx.run("connect.declare_abilities", product.name, kept, now)
        self._use(product, said)

    @staticmethod
    def _use(product: Product, said: Abilities) -> None:
        product.version = said.version
        product.capabilities = able(product.profile or product.capabilities, said, product.fixed)
