"""A file as a simulated product has it, and as Liaison Connect carries it."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Self


@dataclass(frozen=True, slots=True)
class Document:
    """One file, whole."""

    name: str
    type: str
    content: bytes = field(repr=False)

    @property
    def sha256(self) -> str:
        """Of the content, in hexadecimal."""
        return hashlib.sha256(self.content).hexdigest()

    @classmethod
    def read(cls, given: Any) -> Self:
        """From JSON: ``name``, ``type``, ``content`` in base64 and, if given, ``sha256``. Raises ValueError."""
        if not isinstance(given, dict) or not all(isinstance(given.get(k), str) for k in ("name", "type", "content")):
            raise ValueError("a file has a name, a type and a content in base64")
        found = cls(given["name"], given["type"], base64.b64decode(given["content"], validate=True))
        if given.get("sha256", found.sha256) != found.sha256:
            raise ValueError("a file is not the one that its sha256 says")
        return found

    def wire(self) -> dict[str, str]:
        """As ``POST /messages`` of the hub wants it."""
        content = base64.b64encode(self.content).decode()
        return {"name": self.name, "type": self.type, "content": content, "sha256": self.sha256}


def read_all(given: Any) -> list[Document]:
    """Every file of a message. Raises ValueError."""
    if not isinstance(given, list):
        raise ValueError("files is a list")
    return [Document.read(one) for one in given]


def without_content(files: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The same for a log, which need not hold every file once more."""
    return [one | {"content": ""} for one in files]
