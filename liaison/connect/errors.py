"""What can go wrong between a product and the hub. No error holds a text, a token or a secret."""

from __future__ import annotations

from typing import Any


class ConnectError(Exception):
    """All errors of this client."""


class Refused(ConnectError):
    """The hub will never do this as asked (RFC 9457). ``code`` is a stable word, ``detail`` is for people."""

    def __init__(self, status: int, problem: Any) -> None:
        said = problem if isinstance(problem, dict) else {}
        self.status = status
        self.code = str(said.get("code", "unknown"))
        self.detail = str(said.get("detail", ""))
        self.field = said.get("field")
        self.errors: tuple[tuple[str, str], ...] = tuple(
            (str(one.get("field", "")), str(one.get("message", "")))
            for one in said.get("errors") or ()
            if isinstance(one, dict)
        )
        super().__init__(f"{status} {self.code}" + (f" ({self.field})" if self.field else ""))


class NoAnswer(ConnectError):
    """The hub gave no final answer in time. The request may have been done: ask again under the same id."""

    def __init__(self, last: str) -> None:
        self.last = last
        super().__init__(f"no answer of the hub: {last}")


class NotGenuine(ConnectError):
    """A webhook that the hub did not send, or not now. ``reason``: bad_signature, bad_time or bad_body.

    Answer 401 to the first two and 400 to the last.
    """

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)

    @property
    def status(self) -> int:
        """What to answer."""
        return 400 if self.reason == "bad_body" else 401
