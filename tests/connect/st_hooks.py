"""Hooks for Schemathesis: valid requests speak of people and conversations that exist, so that they reach the hub."""

from __future__ import annotations

import itertools
from typing import Any

import schemathesis
from schemathesis import GenerationMode

_KNOWN: dict[str, dict[str, Any]] = {
    "/messages": {
        "sender": "cleo", "to": ["siilo:dan"], "reply_to": None, "thread": "m-1", "kind": "text", "location": None,
        "poll": None, "contact": None, "sent_at": "2026-01-01T00:00:00Z", "files": [], "mentions": [],
    },
    "/conversations/{id}/members": {"by": "cleo", "add": ["siilo:dan"]},
    "/conversations/{id}/name": {"by": "cleo"},
    "/receipts": {"user": "cleo", "message": "m-1"},
    "/typing": {"user": "cleo", "conversation": "chat-1"},
    "/users/{id}": {"rpps": "10000000006"},
    "/users/{id}/confirmations": {"product": "siilo", "decision": "accept"},
}  # fmt: skip
_IDS = itertools.count()


def _valid(case: schemathesis.Case[Any]) -> bool:
    return case.meta is not None and case.meta.generation.mode == GenerationMode.POSITIVE


@schemathesis.hook
def before_call(context: schemathesis.HookContext, case: schemathesis.Case[Any], kwargs: dict[str, Any]) -> None:
    """Every second valid body names those that exist; the others stay as generated."""
    if case.method == "DELETE" and case.path == "/users/{id}" and case.path_parameters.get("id") in ("cleo", "fay"):
        case.path_parameters = {"id": f"st-{next(_IDS)}"}  # whoever writes here is not given up meanwhile
    if not _valid(case) or not isinstance(case.body, dict):
        return
    known = _KNOWN.get(case.path, {})
    if known and len(str(case.body)) % 2:
        case.body = case.body | known
        if "id" in case.body:
            case.body = case.body | {"id": f"st-{next(_IDS)}"}  # an id that was used before is refused
        if case.path.startswith("/conversations/"):
            case.path_parameters = {"id": "chat-1"}


@schemathesis.check
def only_its_meaning_is_refused(
    ctx: schemathesis.CheckContext, response: schemathesis.Response, case: schemathesis.Case[Any]
) -> None:
    """What fits the document may be impossible (nobody has this number), but is never called malformed."""
    if _valid(case) and response.status_code in (400, 415, 422):
        assert response.json()["code"] not in ("invalid", "bad_json", "wrong_type"), (
            "valid by the document, yet refused"
        )
