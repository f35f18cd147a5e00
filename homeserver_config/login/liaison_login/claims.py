"""What Pro Santé Connect says of somebody who logs in, and whether it is enough. Pure.

Synapse has checked the signature, the nonce, the times and the issuer of the ID token before (``handlers/oidc.py``).
It looks neither at the audience where ``azp`` is right, nor whether both answers are about one person, nor at
``acr``; and it takes an answer without an ID token. So all of that is looked at here.
The claims are those of the scope ``scope_all`` (ANS, Pro Santé Connect).
"""

from __future__ import annotations

import json
import re
from base64 import urlsafe_b64decode
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

Json = Mapping[str, Any]
_NATIONAL = re.compile(r"8([0-9]{11})", re.ASCII)
_ROLE = re.compile(r"([0-9A-Z]{1,6})(?:/[0-9A-Za-z]{1,10})?\^[0-9.]+", re.ASCII)


class Acr(IntEnum):
    """How strong an authentication was, the weakest first (eIDAS: low, substantial, high)."""

    eidas1 = 1
    eidas2 = 2
    eidas3 = 3


class LoginRefused(Exception):
    """``code`` is one of :mod:`liaison_login.words`; the text quotes nothing of what came."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


@dataclass(frozen=True, slots=True)
class Demands:
    """What a login has to be; ``without_acr``: what an absent ``acr`` counts as (None: not enough)."""

    issuer: str
    client_id: str
    least: Acr
    without_acr: Acr | None = None
    algorithms: frozenset[str] = frozenset({"RS256"})


@dataclass(frozen=True, slots=True)
class Proven:
    """Who has logged in. ``professions`` are codes of TRE_G15 and its like, of all practices."""

    rpps: str
    acr: Acr
    professions: frozenset[str]


def proven(token: Json, userinfo: Json, demands: Demands) -> Proven:
    """Who it is. Raises LoginRefused."""
    header, claims = _opened(token.get("id_token"))
    if header.get("alg") not in demands.algorithms:
        raise LoginRefused("wrong_algorithm")
    if claims.get("iss") != demands.issuer:
        raise LoginRefused("foreign_issuer")
    audience = claims.get("aud")
    if audience not in (demands.client_id, [demands.client_id]) or claims.get("azp") not in (None, demands.client_id):
        raise LoginRefused("wrong_audience")
    sub = claims.get("sub")
    if not isinstance(sub, str) or not sub or userinfo.get("sub") != sub:
        raise LoginRefused("other_sub")
    acr = _acr(claims.get("acr"), demands)
    national, rpps = _national(userinfo, sub)
    _agree(userinfo, national, rpps)
    return Proven(rpps, acr, _professions(userinfo))


def _opened(token: object) -> tuple[Json, Json]:
    """Header and payload of an ID token whose signature was checked already."""
    parts = token.split(".") if isinstance(token, str) else []
    if len(parts) != 3:
        raise LoginRefused("no_id_token")
    try:
        header, claims = (json.loads(urlsafe_b64decode(part + "=" * (-len(part) % 4))) for part in parts[:2])
    except ValueError:
        raise LoginRefused("no_id_token") from None
    if not isinstance(header, dict) or not isinstance(claims, dict):
        raise LoginRefused("no_id_token")
    return header, claims


def _acr(said: object, demands: Demands) -> Acr:
    if said in (None, ""):
        if demands.without_acr is None:
            raise LoginRefused("no_acr")
        level = demands.without_acr
    elif isinstance(said, str) and said in Acr.__members__:
        level = Acr[said]
    else:
        raise LoginRefused("weak_acr")
    if level < demands.least:
        raise LoginRefused("weak_acr")
    return level


def national_id(userinfo: Json) -> str:
    """``8`` and eleven digits. Raises LoginRefused (no_national_id, no_rpps)."""
    said = userinfo.get("SubjectNameID")
    if not isinstance(said, str) or not said:
        raise LoginRefused("no_national_id")
    if not _NATIONAL.fullmatch(said):  # ADELI, students, test cards (ANS…), and what is malformed
        raise LoginRefused("no_rpps")
    return said


def _national(userinfo: Json, sub: str) -> tuple[str, str]:
    national = national_id(userinfo)
    if userinfo.get("preferred_username", national) != national:
        raise LoginRefused("other_ids")
    if sub.startswith("f:") and sub.rpartition(":")[2] != national:  # f:<uuid>:<national id>
        raise LoginRefused("other_sub")
    return national, national[1:]


def _agree(userinfo: Json, national: str, rpps: str) -> None:
    """``otherIds`` (also spelt ``otherIDs``) names no other RPPS number."""
    for name in ("otherIds", "otherIDs"):
        for one in _objects(userinfo.get(name), "other_ids"):
            if str(one.get("origine", "")).upper() == "RPPS" and one.get("identifiant") not in (national, rpps):
                raise LoginRefused("other_ids")


def _professions(userinfo: Json) -> frozenset[str]:
    """The codes of every role and practice; an empty text means absent. Raises LoginRefused (wrong_role)."""
    said = userinfo.get("SubjectRole")
    roles = [said] if isinstance(said, str) and said else said or []
    if not isinstance(roles, list):
        raise LoginRefused("wrong_role")
    found = {_code(role) for role in roles}
    practices = userinfo.get("SubjectRefPro")
    if practices is not None and not isinstance(practices, dict):
        raise LoginRefused("wrong_role")
    every = _objects((practices or {}).get("exercices"), "wrong_role")
    codes = {str(one["codeProfession"]) for one in every if one.get("codeProfession")}
    if found and codes and not found <= codes:
        raise LoginRefused("wrong_role")
    return frozenset(found | codes)


def _code(role: object) -> str:
    match = _ROLE.fullmatch(role) if isinstance(role, str) else None
    if match is None:
        raise LoginRefused("wrong_role")
    return match[1]


def _objects(said: object, code: str) -> Iterator[Json]:
    """The objects of a list that may be absent. Raises LoginRefused for anything else."""
    if said in (None, ""):
        return
    if not isinstance(said, Sequence) or isinstance(said, str):
        raise LoginRefused(code)
    for one in said:
        if not isinstance(one, dict):
            raise LoginRefused(code)
        yield one
