"""Every end of a request is an answer: what was asked for, or a problem document (RFC 9457), in French first."""

from __future__ import annotations

import asyncio
import logging
import math
import traceback
import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence
from http import HTTPStatus
from typing import Any

import orjson
from aiohttp import web
from multidict import CIMultiDict
from pydantic import ValidationError

from bridge.errors import Refused, Unavailable
from bridge.words import say

_log = logging.getLogger(__name__)
_PRIVATE = {"Cache-Control": "no-store"}
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
PROBLEM = "application/problem+json"
_MOST_ERRORS = 20

_STATUS = {
    "bad_json": 400,
    "broken_body": 400,
    "duplicate_key": 400,
    "unknown_token": 401,
    "client_certificate": 403,
    "address_expired": 403,
    "not_your_user": 403,
    "unknown_sender": 403,
    "account_revoked": 403,
    "sender_inactive": 403,
    "person_inactive": 403,
    "account_held": 403,
    "account_unproven": 403,
    "product_not_listed": 403,
    "proof_refused": 422,
    "account_refused": 403,
    "other_account": 403,
    "not_a_member": 403,
    "untrusted_server": 403,
    "unknown_conversation": 404,
    "unknown_message": 404,
    "unknown_user": 404,
    "unknown_event": 404,
    "unknown_file": 404,
    "not_contested": 404,
    "not_absent": 404,
    "no_history": 404,
    "unknown_path": 404,
    "bad_method": 405,
    "too_slow": 408,
    "no_length": 411,
    "id_in_use": 409,
    "decided": 409,
    "too_large": 413,
    "files_too_large": 413,
    "picture_too_large": 413,
    "wrong_type": 415,
    "wrong_encoding": 415,
    "no_such_range": 416,
    "rate_limited": 429,
    "searched_too_fast": 429,
    "searched_enough": 429,
}
_WORDS = {  # of HTTP only; all others are in bridge.words
    "duplicate_key": ("Une clé JSON est donnée deux fois.", "A JSON key is given twice."),
    "broken_body": (
        "Le corps de la requête est mal transmis (Transfer-Encoding).",
        "The body of the request is wrongly framed (Transfer-Encoding).",
    ),
    "no_history": (
        "Cette conversation n’a pas de salon Matrix, et Liaison ne garde aucun texte : rien ne peut être relu.",
        "This conversation has no Matrix room, and Liaison keeps no text: nothing can be read again.",
    ),
    "not_absent": ("Cette personne n’est pas en absence.", "This person is not away."),
    "own_substitute": ("Personne ne se remplace soi-même.", "Nobody stands in for themselves."),
    "no_substitute": ("Il manque la personne qui remplace.", "The person who stands in is missing."),
    "bad_period": (
        "L’absence finit après son début, à l’avenir, dans les deux ans.",
        "The absence ends after it begins, in the future and within two years.",
    ),
    "own_account": ("Personne ne se bloque soi-même.", "Nobody blocks themselves."),
    "unknown_cursor": (
        "Ce curseur n'a pas été donné pour cette demande : recommencez sans lui.",
        "This cursor was not given for this request: begin again without it.",
    ),
    "wrong_encoding": (
        "Envoyez le corps sans compression ni Content-Encoding.",
        "Send the body without compression or Content-Encoding.",
    ),
    "unknown_user": (
        "Cet utilisateur n’est pas déclaré. Déclarez-le avec son numéro RPPS.",
        "This user has not been declared. Declare them with their RPPS number.",
    ),
    "unknown_path": ("Cette adresse n’existe pas.", "There is nothing at this address."),
    "bad_method": ("Cette méthode n’est pas possible ici.", "This method is not possible here."),
    "too_slow": ("Le corps de la requête a tardé. Renvoyez-la.", "The body came too slowly. Send it again."),
    "bad_file_name": (
        "Ce nom de fichier n’est pas permis. Sans chemin ni caractère de contrôle, il a au plus 255 octets.",
        "This file name is not allowed. It has no path, no control character and at most 255 bytes.",
    ),
    "wrong_sha256": (
        "Le fichier reçu n’a pas l’empreinte SHA-256 annoncée. Renvoyez-le.",
        "The file that came does not have the SHA-256 given. Send it again.",
    ),
    "unknown_file": (
        "Ce fichier n’est pas connu, ou n’est plus gardé. Déposez-le de nouveau.",
        "This file is not known, or is kept no longer. Upload it again.",
    ),
    "address_expired": (
        "Cette adresse a expiré. Demandez le fichier avec le jeton du produit.",
        "This address has expired. Ask for the file with the product's token.",
    ),
    "no_length": ("La taille du fichier est à annoncer (Content-Length).", "Say the file's size (Content-Length)."),
    "no_such_range": ("Le fichier n’a pas ces octets.", "The file does not have these bytes."),
    "wrong_size": (
        "Le fichier reçu n’a pas la taille annoncée. Renvoyez-le.",
        "The file that came does not have the size given. Send it again.",
    ),
    "sent_in_future": (
        "La date d’envoi est à plus de 10 minutes dans le futur. Vérifiez l’horloge.",
        "The time of sending is more than 10 minutes in the future. Check the clock.",
    ),
}
_HEADERS = {
    "unknown_token": {"WWW-Authenticate": 'Bearer realm="liaison"'},
    "wrong_encoding": {"Accept-Encoding": "identity"},
    "searched_too_fast": {"Retry-After": "10"},
    "searched_enough": {"Retry-After": "3600"},
}
_FIELD_WORDS = {
    "missing": ("champ obligatoire", "this field is required"),
    "extra_forbidden": ("champ inconnu", "unknown field"),
    "string_pattern_mismatch": ("caractères ou longueur non permis", "characters or length not allowed"),
    "string_too_short": ("vide ou trop court", "empty or too short"),
    "string_too_long": ("trop long", "too long"),
    "too_long": ("trop d’éléments", "too many items"),
    "string_type": ("doit être une chaîne", "must be a string"),
    "bool_type": ("doit être true ou false", "must be true or false"),
    "int_type": ("doit être un nombre entier", "must be a whole number"),
    "list_type": ("doit être une liste", "must be a list"),
    "model_type": ("doit être un objet", "must be an object"),
    "literal_error": ("valeur inconnue", "unknown value"),
    "base64": ("doit être en base64, sur une ligne", "must be base64 on one line"),
    "rfc3339": ("doit être une date RFC 3339 avec fuseau", "must be a date and time of RFC 3339 with an offset"),
}
_DATES = ("datetime", "timezone")


def words(code: str) -> tuple[str, str]:
    """The French and the English sentence of a code."""
    return _WORDS.get(code) or say(code)


def of_refused(refused: Refused) -> web.Response:
    """Never as asked."""
    status = _STATUS.get(refused.code, 422)
    headers = _HEADERS.get(refused.code)
    return problem(status, refused.code, field=refused.field, about=refused.about, headers=headers)


def of_unavailable(unavailable: Unavailable) -> web.Response:
    """Not now."""
    return problem(503, "unavailable", retry_after=unavailable.retry_after or 5)


def of_validation(error: ValidationError) -> web.Response:
    """Each field that is wrong, named; what was sent is not quoted."""
    errors = error.errors(include_url=False, include_context=False, include_input=False)[:_MOST_ERRORS]
    if errors and errors[0]["type"] == "json_invalid":
        return problem(400, "bad_json")
    listed = [_field_error(tuple(e["loc"]), e["type"]) for e in errors]
    return problem(422, "invalid", field=listed[0]["field"] or None, errors=listed)


def _field_error(where: tuple[int | str, ...], kind: str) -> dict[str, str]:
    field = ".".join(str(part)[:64] for part in where if not str(part).startswith("<"))  # which of several forms
    if kind.startswith(_DATES):
        fr, en = _FIELD_WORDS["rfc3339"]
    else:
        fr, en = _FIELD_WORDS.get(kind, ("valeur non valable", "not a valid value"))
    return {"field": field, "message": f"{fr} / {en}"}


def problem(
    status: int,
    code: str,
    *,
    about: str = "",
    retry_after: float | None = None,
    headers: Mapping[str, str] | None = None,
    **members: object,
) -> web.Response:
    """A problem document; ``retry_after`` in seconds; ``members`` of its own: ``field``, ``errors``, ``instance``."""
    fr, en = words(code)
    extra = f" ({about})" if about else ""
    document: dict[str, Any] = {
        "type": f"urn:liaison:problem:{code}",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": f"{fr} / {en}{extra}",
        "code": code,
    }
    document |= {name: value for name, value in members.items() if value}
    sent = dict(headers or {})
    if retry_after is not None:
        sent["Retry-After"] = str(max(1, math.ceil(retry_after)))
    return web.Response(body=orjson.dumps(document), status=status, content_type=PROBLEM, headers=sent)


def json_answer(value: Mapping[str, Any], status: int = 200) -> web.Response:
    """An object that nobody on the way may keep."""
    return web.Response(
        body=orjson.dumps(value), status=status, content_type="application/json", headers=CIMultiDict(_PRIVATE)
    )


def constant(body: bytes) -> Handler:
    """The same JSON for everybody."""

    async def answer(request: web.Request) -> web.StreamResponse:
        return web.Response(body=body, content_type="application/json")

    return answer


def made_when_asked(
    make: Callable[[], bytes], kind: str = "application/json", headers: Mapping[str, str] | None = None
) -> Handler:
    """The same for everybody, which takes long to make: not at a start, and beside the loop. ``make`` keeps it."""
    charset = "utf-8" if kind.startswith("text/") else None

    async def answer(request: web.Request) -> web.StreamResponse:
        body = await asyncio.to_thread(make)
        return web.Response(body=body, content_type=kind, charset=charset, headers=headers)

    return answer


def nothing_there(resources: Sequence[web.AbstractResource]) -> Handler:
    """For every other path, and for the known ones when they are asked for something that they do not do."""

    async def answer(request: web.Request) -> web.StreamResponse:
        allowed = set[str]().union(*[(await resource.resolve(request))[1] for resource in resources])
        if not allowed:
            return problem(404, "unknown_path")
        return problem(405, "bad_method", headers={"Allow": ", ".join(sorted(allowed))})

    return answer


def answered(handler: Handler) -> Handler:
    """Turn everything that can go wrong into a problem document. (A middleware of aiohttp costs every request more.)"""

    async def answer(request: web.Request) -> web.StreamResponse:
        try:
            return await handler(request)
        except Refused as refused:
            return of_refused(refused)
        except Unavailable as unavailable:
            return of_unavailable(unavailable)
        except ValidationError as error:
            return of_validation(error)
        except web.HTTPException as error:
            return problem(error.status, "invalid")
        except (ConnectionError, asyncio.CancelledError):
            raise
        except Exception as error:
            return _unexpected(error)

    return answer


def _unexpected(error: Exception) -> web.Response:
    """A bug: found in the log by its id. The text of the error is left out, it may hold what somebody wrote."""
    instance = uuid.uuid4().hex
    frames = traceback.extract_tb(error.__traceback__)
    where = " > ".join(f"{frame.filename}:{frame.lineno}" for frame in frames[-6:])
    _log.error("ALARM connect: unexpected %s, instance %s, at %s", type(error).__name__, instance, where)
    return problem(500, "internal_error", instance=f"urn:uuid:{instance}")
