"""The directory, as the hub knows it: who is active, and how they are called. Without an answer nobody guesses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

from liaison_login.settings import Settings

_AT_ONCE = 500
"""Accounts of one question."""


class State(StrEnum):
    """Of somebody in the directory; ``unknown`` is nobody's fault and ends no session."""

    ACTIVE = "active"
    STRUCK_OFF = "struck_off"
    REVOKED = "revoked"  # the hub's operator has taken the account back
    UNKNOWN = "unknown"

    @property
    def closed(self) -> bool:
        """Whether somebody has said no."""
        return self in (State.STRUCK_OFF, State.REVOKED)


@dataclass(frozen=True, slots=True)
class Entry:
    """What the hub says of an RPPS number; ``shown`` is the display name."""

    state: State
    shown: str


class HubAway(Exception):
    """The hub does not answer, or not in a way that can be read."""


class Http(Protocol):
    """What is used of Synapse's ``SimpleHttpClient``."""

    async def get_json(self, uri: str, *, headers: Mapping[bytes, list[bytes]]) -> Any:
        """GET; raises for anything but a JSON answer with 2xx."""

    async def post_json_get_json(self, uri: str, post_json: Any, headers: Mapping[bytes, list[bytes]]) -> Any:
        """POST; raises for anything but a JSON answer with 2xx."""


class Directory:
    """Asks the hub, whose token is in no log."""

    def __init__(self, http: Http, settings: Settings) -> None:
        self._http = http
        self._base = f"{settings.hub}/_liaison/login/v1"
        self._headers = {b"Authorization": [f"Bearer {settings.token}".encode()]}

    async def entry(self, rpps: str) -> Entry:
        """What is said of a number now. Raises HubAway."""
        try:
            return _read(await self._http.get_json(f"{self._base}/professionals/{rpps}", headers=self._headers))
        except Exception as error:  # whatever the client, the network or the answer came up with: the hub is away
            raise HubAway(type(error).__name__) from error

    async def ended(self, user: str) -> None:
        """An account was deactivated: nobody is reached there any more. Raises HubAway."""
        await self._post("ended", {"account": user})

    async def refused(self, code: str, rpps: str | None) -> None:
        """For the hub's audit trail: a login was refused; ``rpps`` where it was proven. Raises HubAway."""
        await self._post("refused", {"code": code, "rpps": rpps})

    async def _post(self, what: str, body: Mapping[str, Any]) -> Any:
        try:
            return await self._http.post_json_get_json(f"{self._base}/{what}", body, self._headers)
        except Exception as error:
            raise HubAway(type(error).__name__) from error

    async def tell(self, accounts: Mapping[str, str], *, login: bool = False) -> dict[str, Entry]:
        """The hub hears who has which account here (user id: number), and says what it knows. Raises HubAway.

        ``login``: they have just been opened, for the hub's audit trail.
        """
        found: dict[str, Entry] = {}
        every = list(accounts.items())
        for start in range(0, len(every), _AT_ONCE):
            body = {"accounts": dict(every[start : start + _AT_ONCE]), "login": login}
            answer = await self._post("accounts", body)
            try:
                found |= {user: _read(one) for user, one in answer["accounts"].items()}
            except (KeyError, TypeError, ValueError, AttributeError) as error:
                raise HubAway(type(error).__name__) from error
        return found


def _read(answer: Any) -> Entry:
    shown = answer["shown"]
    if not isinstance(shown, str):
        raise TypeError("shown")
    return Entry(State(answer["state"]), shown)
