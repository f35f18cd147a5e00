"""What stands in the path and the query of each request, for the document."""

from __future__ import annotations

from typing import Any

from bridge.networks.connect import fields, listed
from bridge.networks.connect.contract.operations import Operation
from bridge.networks.connect.fields import ID_PATTERN, SEARCH_PATTERN

Json = dict[str, Any]

_NARROWED = {
    "profession": "Only people of this profession; words are compared by their beginnings.",
    "place": "Only people of this establishment or place.",
    "town": "Only people of this town.",
}
_CURSOR = "`next` of the answer before, with everything else as it was; a search ends after 200 people."
_READS = "The product's user who reads: only what the room's rule lets this user see is given."
_WHOSE = "The product's user whose contacts they are, declared before."
_ASKS = "The product's user who asks: each has a daily share of their own, and people near to them come first."
_ID: Json = {"type": "string", "pattern": ID_PATTERN}
_NUMBER: Json = {"type": "integer", "minimum": 0}


def _query(name: str, schema: Json, description: str = "", *, required: bool = False) -> Json:
    described: Json = {"name": name, "in": "query", "schema": schema}
    if required:
        described["required"] = True
    return described | ({"description": description} if description else {})


def _people() -> list[Json]:
    text = {"type": "string", "maxLength": fields.LONGEST, "pattern": SEARCH_PATTERN}
    limit = {"type": "integer", "minimum": 1, "maximum": fields.MOST, "default": fields.DEFAULT}
    return [
        _query("q", text | {"minLength": fields.SHORTEST}, required=True),
        *(_query(name, text, about) for name, about in _NARROWED.items()),
        _query("kind", {"type": "string", "enum": list(fields.KINDS)}),
        _query("cursor", {"type": "string", "pattern": fields.CURSOR_PATTERN}, _CURSOR),
        _query("limit", limit),
        _query("user", _ID, _ASKS),
    ]


def _events() -> list[Json]:
    after = (
        "`next` of an answer before: the product has everything up to there safely. `0`: everything that is kept. "
        "Without it: what the product has not taken yet."
    )
    return [
        _query("after", {"type": "string", "pattern": "^(0|[1-9][0-9]{0,14})$"}, after),
        _query("limit", {"type": "integer", "minimum": 1, "maximum": 500, "default": 100}),
        _query("wait", _NUMBER | {"maximum": 60, "default": 0}, "Seconds to wait for an event, if there is none yet."),
    ]


def _list() -> list[Json]:
    limit = {"type": "integer", "minimum": 1, "maximum": listed.MOST, "default": listed.DEFAULT}
    cursor = {"type": "string", "pattern": listed.LIST_CURSOR}
    return [_query("limit", limit), _query("cursor", cursor, "`next` of the answer before.")]


def _conversations() -> list[Json]:
    return [*_list(), _query("user", _ID, "Only those in which this user of the product is.")]


def _history() -> list[Json]:
    limit = {"type": "integer", "minimum": 1, "maximum": listed.PAGE, "default": listed.PAGE}
    return [_query("user", _ID, _READS, required=True), _query("limit", limit), _list()[1]]


_QUERIES = {
    "history": _history,
    "list_users": _list,
    "blocked": _list,
    "export_user": lambda: _list()[1:],
    "list_conversations": _conversations,
    "list_members": _list,
    "list_messages": _list,
    "contacts": lambda: [_query("user", _ID, _WHOSE, required=True)],
    "people": _people,
    "events": _events,
}


def parameters_of(operation: Operation) -> list[Json]:
    """Of the path, then of the query."""
    names = [name for name in ("id", "person") if f"{{{name}}}" in operation.path]
    path = [{"name": name, "in": "path", "required": True, "schema": _ID} for name in names]
    return [*path, *_QUERIES.get(operation.name, list)()]
