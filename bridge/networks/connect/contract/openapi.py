"""The OpenAPI 3.1 document of Liaison Connect v1, generated from the models and the table of operations."""

from __future__ import annotations

import json
import re
from functools import cache
from typing import Any

import orjson
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from bridge.networks.connect import about, accounts, teams, wire
from bridge.networks.connect.contract.examples import examples
from bridge.networks.connect.contract.operations import OPERATIONS, PREFIX, Operation
from bridge.networks.connect.contract.parameters import parameters_of
from bridge.networks.connect.fields import Wire
from bridge.networks.connect.log import answers

Json = dict[str, Any]

_EVENTS: dict[str, type[Wire]] = {
    "message.created": wire.CreatedEvent,
    "message.edited": about.EditedEvent,
    "message.removed": about.RemovedEvent,
    "message.reaction": about.ReactionEvent,
    "message.vote": about.VoteEvent,
    "message.handled": about.HandledEvent,
    "message.poll_ended": about.PollEndedEvent,
    "conversation.members": wire.MembersEvent,
    "conversation.renamed": about.RenamedEvent,
    "conversation.picture": teams.PictureEvent,
    "message.state": wire.StateEvent,
    "typing": wire.TypingEvent,
    "webhook.test": answers.WebhookTestEvent,
    **accounts.EVENTS,
}
_ABOUT = """\
The open API by which a chat product takes part in Liaison.

A product speaks for its own users only, and sees only their conversations. A professional whom another product has is
not believed to be a user of this one as well (`state` is `held`) until she confirms it there, or the operator decides.

`POST` requests that change something carry an `id` that is the idempotency key: repeat a request until it is answered.
All ids of messages of one product, those that it sends and those that it answers webhooks with, are of one space: none
is used twice. An id that comes again with another content is refused (409).

Small files may travel whole, as base64 in the JSON of a message; `POST /messages` takes larger bodies for them, and
answers 503 while too many are being read. Better, a product uploads a file by itself (`POST /files`: its bytes are the
body, `Content-Type` its type, `Content-Disposition: attachment; filename*=UTF-8''…` its name) and names its `id` in a
message, within a day. 413 says the limit, also before the body with `Expect: 100-continue`. Once a product has declared
`files_by_url`, webhooks name files the same way: `url` needs no token until `expires_at`, `GET /files/{id}` does. Both
give a part of a file for a `Range`, so that a broken transfer goes on where it was; `sha256` says whether all came
right. A connection that ends before the file does is no file.

Bodies are never compressed. What is not HTTP, or has a header of more than 8 KiB, is answered 400 in plain text, and
the connection is closed.

Webhooks are signed after Standard Webhooks; a product answers with 2xx once it has the message safely, with 400, 410,
413 or 422 if it will never take it (the sender is told), and with anything else to get it again later. What is said,
done to it (`message.edited`, `message.removed`, `message.reaction`, …), `conversation.members` and
`conversation.renamed` come one at a time and in order for each conversation; drop a repeated `webhook-id`, for as
long as you keep its message (a repeat may come days later). Answer 2xx to types of webhooks that you do not know: there
may be more of them. A message that a product does not take is tried for three days, unless the hub's operator has
chosen another time; then its sender is told that it did not arrive. `order` grows along a conversation of the hub, what
the product itself handed in counted as well: it says what comes before what, and has gaps.

A product for which the hub keeps a log reads what it missed, or all of it if it can receive no webhook, by
`GET /events`: the same bodies with the same `webhook-id`, in order. What the cursor has passed counts as taken. A
message waits there for as long as the log is kept (14 days unless configured otherwise), and is sent again while the
product does not read. Signs of typing are not in the log. An event that could not be delivered at once is known by its
`webhook-id` until the product answers its webhook with an id of its own.

Who is a user of the same product gets no webhook of a colleague's message: the product shows it itself. A person who
is named by `rpps:…` is reached where the directory lists them, else in the product that declared them first; name one
account by `<product>:<id>`. `sent_at` may lie in the past, as after a time without network. Requests are limited (100
per second, 500 at once, unless configured otherwise): each answer says by `RateLimit-Remaining` how many are left and
by `RateLimit-Reset` in how many seconds all are there again; 429 says by `Retry-After` when to go on. The first
token comes from the hub's operator; a product replaces it and its webhook secret by itself (`POST /credentials/...`),
and the old ones stay good for a while.

Teams and functions (on call) are recipients like people: a handle that `GET /people` gives, such as
`function:cardiologie`, can stand in `to`. A function has to be read within the time of its rota, else what is urgent is
passed on. A user who wants nothing of somebody is spared it (`PUT /users/{id}/blocked/{person}`): the other one reads
`not_taken`. The hub keeps no texts: what was said before somebody came is in the room on Matrix, where the room's rule
lets it be read, and in the products; lists of messages have ids and states.

**What may change.** What `/v1` says today stays true: no field, webhook or meaning is taken away, and no request that
was right becomes wrong. The hub may add fields to its answers and webhooks, types of webhooks, optional fields of
requests, codes, reasons and kinds of messages: a product ignores fields and types that it does not know, treats an
unknown code by its HTTP status, an unknown reason as any refusal, and shows an unknown kind as text. So objects that
the hub sends are open in this document. Objects that a product sends are closed: an unknown field is refused (422), as
a mistyped one would be lost in silence. `info.version` grows with each addition, and the hub's CHANGELOG names it.
What is to end is marked `deprecated` for at least twelve months; its answers say so by `Deprecation` (RFC 9745) and
`Sunset` (RFC 8594). What breaks this is `/v2`, beside `/v1` for at least
as long."""
_RATE = {
    name: {"description": text, "schema": {"type": "integer", "minimum": 0}}
    for name, text in {
        "RateLimit-Limit": "Requests at once.",
        "RateLimit-Remaining": "Requests that are left now.",
        "RateLimit-Reset": "Seconds until all of them are there again.",
    }.items()
}
_PROBLEMS = {
    400: "The body is not valid JSON, or wrongly framed.",
    401: "The token is missing or unknown.",
    403: "Not allowed to this product, this user or this certificate.",
    404: "Not known to this product.",
    408: "The body came too slowly.",
    409: "The id was used for something else (another message, or this one with another content); or it was decided "
    "otherwise.",
    411: "The body has no Content-Length.",
    413: "The body, or what its files hold, is too large.",
    415: "The body is not application/json, or has a Content-Encoding.",
    416: "The file does not have these bytes.",
    422: "Not possible as asked; `field` or `errors` name what is wrong.",
    429: "Too many requests.",
    500: "An unexpected error.",
    503: "Not possible now.",
}


def document() -> Json:
    """The whole document."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Liaison Connect",
            "version": "1.2.0",
            "description": _ABOUT,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": PREFIX}],
        "security": [{"token": []}],
        "paths": _paths(),
        "webhooks": {name: _webhook(name, model) for name, model in _EVENTS.items()},
        "components": {
            "schemas": _schemas(),
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer"},
                "expires": {"type": "apiKey", "in": "query", "name": "expires"},
                "signature": {"type": "apiKey", "in": "query", "name": "signature"},
            },
        },
    }


@cache
def written() -> bytes:
    """The same as it is served; made once, since every hub of a process serves the same."""
    return orjson.dumps(document())


def _schemas() -> Json:
    models: list[type[BaseModel]] = [wire.Problem, wire.Taken, *_EVENTS.values()]
    models += [model for o in OPERATIONS for model in (o.body, o.answer) if model is not None]
    ordered = sorted(set(models), key=lambda model: model.__name__)
    _, schema = models_json_schema([(m, "validation") for m in ordered], ref_template="#/components/schemas/{model}")
    defined: Json = schema["$defs"]
    sent = _reached(defined, [o.body.__name__ for o in OPERATIONS if o.body is not None])
    for name, one in defined.items():
        if name not in sent:
            one.pop("additionalProperties", None)  # what the hub sends may grow
    return defined


def _reached(defined: Json, names: list[str]) -> set[str]:
    """These schemas and all that they refer to."""
    found: set[str] = set()
    todo = list(names)
    while todo:
        if (name := todo.pop()) not in found:
            found.add(name)
            todo += re.findall(r'"#/components/schemas/(\w+)"', json.dumps(defined[name]))
    return found


def _paths() -> Json:
    paths: Json = {}
    for operation in OPERATIONS:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _operation(operation)
    return paths


def _operation(operation: Operation) -> Json:
    described: Json = {
        "operationId": operation.name,
        "tags": [operation.tag or operation.path.split("/")[1]],
        "summary": operation.summary,
        "description": operation.about or f"{operation.summary} `{operation.method} {PREFIX}{operation.path}`",
        "responses": {str(operation.status): _answer(operation)} | _problem_answers(operation),
    }
    if operation.deprecated is not None:
        described["deprecated"] = True
    if not operation.open:
        for status, answer in described["responses"].items():
            if status != "401":
                answer["headers"] = answer.get("headers", {}) | _RATE
    if parameters := parameters_of(operation):
        described["parameters"] = parameters
    if operation.signed:
        described["responses"]["206"] = _answer(operation)
        described["security"] = [{"token": []}, {"expires": [], "signature": []}]
    if operation.raw or operation.body:
        described["requestBody"] = _request_body(operation)
    if operation.open:
        described["security"] = []
    return described


def _request_body(operation: Operation) -> Json:
    given = examples().get(operation.name)
    content: Json = _bytes() if operation.body is None else _content(operation.body.__name__)
    if given is not None:
        for one in content.values():
            one["example"] = given.raw if operation.raw else given.body
    return {"required": True, "content": content}


def _bytes() -> Json:
    """The content of a file. Generators of clients know the first of these, any other type is as good.

    Whatever its type, it is a file: nobody should read it as JSON or YAML because it is called so.
    """
    return {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}, "*/*": {}}


def _answer(operation: Operation) -> Json:
    given = examples().get(operation.name)
    if operation.signed:
        file = _bytes()
        if given:
            file["*/*"]["example"] = given.answer
        return {"description": "The file, or the part that was asked for.", "content": file}
    if operation.media != "application/json":
        content: Json = {operation.media: {"schema": {"type": "string"}}}
    elif operation.answer is None:
        return {"description": "Done."}
    else:
        content = _content(operation.answer.__name__)
    if given is not None:
        content[operation.media]["example"] = given.answer
    return {"description": "Done.", "content": content}


def _problem_answers(operation: Operation) -> Json:
    statuses = set(_PROBLEMS)
    if not operation.may_lack:
        statuses -= {404}
    if not operation.keyed and not operation.decides:
        statuses -= {409}
    if operation.body is None and not operation.raw:
        statuses -= {400, 408, 413, 415}
    if not operation.raw:
        statuses -= {411}
    if not operation.signed:
        statuses -= {416}
    if operation.open:
        statuses = {500}
    return {str(status): _problem(status) for status in sorted(statuses)}


def _problem(status: int) -> Json:
    described: Json = {
        "description": _PROBLEMS[status],
        "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }
    if status in (429, 503):
        seconds = {"description": "In seconds.", "required": True, "schema": {"type": "integer", "minimum": 1}}
        described["headers"] = {"Retry-After": seconds}
    if status == 401:
        described["headers"] = {"WWW-Authenticate": {"required": True, "schema": {"type": "string"}}}
    return described


def _content(model: str) -> Json:
    return {"application/json": {"schema": {"$ref": f"#/components/schemas/{model}"}}}


def _webhook(name: str, model: type[Wire]) -> Json:
    headers = [
        ("webhook-id", "The idempotency key: the same at every attempt."),
        ("webhook-timestamp", "Seconds since 1970, of this attempt."),
        ("webhook-signature", "One or more `v1,<base64>`: HMAC-SHA256 of `id.timestamp.body`."),
    ]
    taken: Json = {"description": "Taken."}
    if name.startswith("message.") and name != "message.state":
        taken["content"] = _content("Taken")
    return {
        "post": {
            "operationId": name,
            "summary": (model.__doc__ or "").strip(),
            "tags": ["webhooks"],
            "parameters": [
                {"name": header, "in": "header", "required": True, "description": about, "schema": {"type": "string"}}
                for header, about in headers
            ],
            "requestBody": {"required": True, "content": _content(model.__name__)},
            "responses": {"2XX": taken},
            "security": [],
        }
    }
