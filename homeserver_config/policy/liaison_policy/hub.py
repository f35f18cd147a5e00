"""The hub, as the module asks and tells it: short calls that block, and none while it does not answer."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

_PATH = "/_liaison/policy/v1"
_MOST = 1 << 20


class HubAway(Exception):
    """The hub does not answer, or not in a way that counts."""


class HubLine:
    """``rest`` (s): without a call after one that failed. ``seconds`` never jumps."""

    def __init__(
        self, url: str, token: str, timeout: float, rest: float, seconds: Callable[[], float] = time.monotonic
    ) -> None:
        self._url = url
        self._token = token
        self._timeout = timeout
        self._rest = rest
        self._seconds = seconds
        self._until = 0.0
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    @property
    def resting(self) -> bool:
        """Whether it is left alone for a while."""
        return self._seconds() < self._until

    def person(self, user: str) -> dict[str, Any] | None:
        """Who is behind a Matrix user; None: nobody whom the hub knows. Raises HubAway."""
        return self._call("GET", f"/people/{quote(user, safe='')}")

    def blocked(self, user: str, others: list[str]) -> None:
        """Tell whose messages a user does not want any more, all of them. Raises HubAway."""
        self._call("PUT", f"/users/{quote(user, safe='')}/blocked", {"users": others})

    def refused(self, counted: list[dict[str, Any]]) -> None:
        """Tell what was refused, as counts by code and server. Raises HubAway."""
        self._call("POST", "/refused", {"refused": counted})

    def _call(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any] | None:
        if self.resting:
            raise HubAway("it did not answer just now")
        data = None if body is None else json.dumps(body).encode()
        headers = {"Authorization": f"Bearer {self._token}", "Content-Type": "application/json"}
        request = urllib.request.Request(self._url + _PATH + path, data, headers, method=method)  # noqa: S310
        try:
            with self._opener.open(request, timeout=self._timeout) as answer:
                found = json.loads(answer.read(_MOST) or b"{}")
        except urllib.error.HTTPError as error:
            with error:
                if error.code == 404:
                    return None
            self._until = self._seconds() + self._rest
            raise HubAway(f"it answers {error.code}") from None
        except (OSError, ValueError) as error:
            self._until = self._seconds() + self._rest
            raise HubAway(type(error).__name__) from None
        if not isinstance(found, dict):
            raise HubAway("its answer is no object")
        return found
