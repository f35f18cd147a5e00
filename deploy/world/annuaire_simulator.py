"""A simulated FHIR API of Annuaire Santé (FHIR R4, API v2), as there is no sandbox of it: real shapes, made-up people.

It knows the searches that the hub makes (``_lastUpdated``, ``_id``, ``_revinclude``, ``_count``), pages with opaque
links, the key, and what can go wrong: 429 with ``Retry-After``, 500 and 400 with an OperationOutcome, a page that has
expired, an answer that is no JSON, a connection that breaks, a link to another server.
"""

from __future__ import annotations

import copy
import secrets
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Self

import orjson
from aiohttp import web

Json = dict[str, Any]
_PAGE = 50
_KNOWN = {"_lastUpdated", "_id", "_revinclude", "_count"}


@dataclass(slots=True)
class Search:
    """One search under way."""

    found: list[tuple[Json, str]]  # resource, and whether it matched or was included
    at: int = 0


@dataclass(slots=True)
class AnnuaireSimulator:
    """``async with``; then ``url``. ``faults`` are taken one for each request, in order (``""``: none)."""

    key: str = "a-key"
    page: int = _PAGE
    faults: list[str] = field(default_factory=list)
    asked: Counter[str] = field(default_factory=Counter)
    url: str = ""
    _resources: dict[str, dict[str, Json]] = field(default_factory=dict)
    _searches: dict[str, Search] = field(default_factory=dict)
    _runner: web.AppRunner | None = None

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_get("/fhir/v2/_page", self._following)
        app.router.add_get("/fhir/v2/{resource}", self._search)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}/fhir/v2"
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._runner is not None
        await self._runner.cleanup()

    # -- what it holds -------------------------------------------------------------------------------------

    def put(self, resource: Json, at: datetime) -> None:
        """A new or changed resource."""
        made = copy.deepcopy(resource)
        made["meta"] = {**made.get("meta", {}), "lastUpdated": at.astimezone(UTC).isoformat(timespec="milliseconds")}
        self._resources.setdefault(made["resourceType"], {})[made["id"]] = made

    def close(self, kind: str, ident: str, at: datetime) -> None:
        """What the API keeps of a closed record (ANS: id, identifiers, active)."""
        old = self._resources[kind][ident]
        self.put({"resourceType": kind, "id": ident, "identifier": old.get("identifier", []), "active": False}, at)

    # -- answering -----------------------------------------------------------------------------------------

    async def _search(self, request: web.Request) -> web.StreamResponse:
        kind = request.match_info["resource"]
        if (wrong := self._refused(request, kind)) is not None:
            return wrong
        if kind not in ("Practitioner", "PractitionerRole", "Organization"):
            return _outcome(404, f"HAPI-0302: Unknown resource type '{kind}'")
        unknown = set(request.query) - _KNOWN
        if unknown:
            return _outcome(400, f"Parameter {min(unknown)} not found")
        matched = [one for one in self._resources.get(kind, {}).values() if self._matches(one, request)]
        if request.query.get("_revinclude") == "PractitionerRole:practitioner":
            found = [pair for one in matched for pair in self._with_roles(one)]
        else:
            found = [(one, "match") for one in matched]
        return self._give(Search(found), int(request.query.get("_count", self.page)))

    def _with_roles(self, one: Json) -> list[tuple[Json, str]]:
        roles = self._resources.get("PractitionerRole", {}).values()
        own = [r for r in roles if r.get("practitioner", {}).get("reference") == f"Practitioner/{one['id']}"]
        return [(one, "match"), *((role, "include") for role in own)]

    def _matches(self, one: Json, request: web.Request) -> bool:
        at = datetime.fromisoformat(one["meta"]["lastUpdated"])
        for bound in request.query.getall("_lastUpdated", []):
            edge = datetime.fromisoformat(bound[2:].replace("Z", "+00:00"))
            if (bound.startswith("ge") and at < edge) or (bound.startswith("lt") and at >= edge):
                return False
        ids = request.query.get("_id")
        return ids is None or one["id"] in ids.split(",")

    async def _following(self, request: web.Request) -> web.StreamResponse:
        if (wrong := self._refused(request, "_page")) is not None:
            return wrong
        search = self._searches.pop(request.query.get("id", ""), None)
        if search is None:
            return _outcome(410, "Search ID does not exist and may have expired")
        return self._give(search, self.page)

    def _refused(self, request: web.Request, what: str) -> web.StreamResponse | None:
        self.asked[what] += 1
        fault = self.faults.pop(0) if self.faults else ""
        if fault == "broken":
            assert request.transport is not None
            request.transport.abort()
            return web.Response()
        if fault == "html":
            return web.Response(text="<html>Bad gateway</html>", content_type="text/html")
        if fault == "429":
            answer = _outcome(429, "Rate limit exceeded")
            answer.headers["Retry-After"] = "0"
            return answer
        if fault == "expired":
            self._searches.clear()
            return _outcome(410, "Search ID does not exist and may have expired")
        if fault == "elsewhere":
            link = [{"relation": "next", "url": "https://elsewhere.example/fhir/v2/_page?id=1"}]
            return _bundle([], link)
        if fault:
            return _outcome(int(fault), "HAPI-0389: Failed to call access method")
        if request.headers.get("ESANTE-API-KEY") != self.key:
            return _outcome(401, "No API key")
        return None

    def _give(self, search: Search, count: int) -> web.Response:
        part, search.at = search.found[search.at : search.at + count], search.at + count
        link = [{"relation": "self", "url": self.url}]
        if search.at < len(search.found):
            name = secrets.token_hex(8)
            self._searches[name] = search
            link.append({"relation": "next", "url": f"{self.url}/_page?id={name}"})
        return _bundle(part, link)


def _bundle(found: list[tuple[Json, str]], link: list[Json]) -> web.Response:
    entries = [{"fullUrl": f"urn:{r['id']}", "resource": r, "search": {"mode": mode}} for r, mode in found]
    body: Json = {"resourceType": "Bundle", "type": "searchset", "link": link}
    return _answer(200, body | ({"entry": entries} if entries else {}))


def _outcome(status: int, said: str) -> web.Response:
    return _answer(status, {"resourceType": "OperationOutcome", "issue": [{"severity": "error", "diagnostics": said}]})


def _answer(status: int, body: Json) -> web.Response:
    return web.Response(body=orjson.dumps(body), status=status, content_type="application/fhir+json")
