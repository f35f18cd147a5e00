"""Hashed addresses: found by their whole hash alone, under a pepper that changes."""

from __future__ import annotations

import asyncio
from base64 import urlsafe_b64encode
from collections.abc import AsyncIterator, Sequence
from hashlib import sha256

import pytest

from appservice.finding.hashes import Hashes, HashTable


def hashed(address: str, pepper: str) -> str:
    """As a client does it (identity service API, "sha256")."""
    return urlsafe_b64encode(sha256(f"{address} email {pepper}".encode()).digest()).decode().rstrip("=")


def table(*addresses: str) -> HashTable:
    """A finished one."""
    made = HashTable("matrixrocks")
    made.add(addresses)
    return made.finish()


def test_the_specifications_example() -> None:
    assert hashed("alice@example.com", "matrixrocks") == "4kenr7N9drpCJ4AfalmlGQVsOn3o2RHjkADUpXJWZUc"
    assert table("alice@example.com").find("4kenr7N9drpCJ4AfalmlGQVsOn3o2RHjkADUpXJWZUc") == "alice@example.com"


def test_each_of_many_is_found_and_nobody_else() -> None:
    addresses = [f"prénom.nom{n}@hopital{n % 7}.mssante.fr" for n in range(3000)]
    made = table(*addresses)
    assert len(made) == 3000
    assert [made.find(hashed(address, "matrixrocks")) for address in addresses] == addresses
    assert made.find(hashed("x@hopital1.mssante.fr", "matrixrocks")) is None
    assert made.find(hashed(addresses[0], "other")) is None


@pytest.mark.parametrize("odd", ["", "=", "é", "AAAA", "!" * 43, "A" * 43, "A" * 44, "A" * 4000])
def test_what_is_no_hash_is_nobodys(odd: str) -> None:
    assert table("a@b.example").find(odd) is None
    assert table().find(odd) is None


async def test_one_table_for_all_who_ask_at_once_and_another_pepper_the_next_day() -> None:
    made, now = [], [0.0]

    async def mailboxes() -> AsyncIterator[Sequence[str]]:
        made.append(now[0])
        yield ["a@b.example"]
        yield ["c@d.example"]

    hashes = Hashes(mailboxes, lambda: now[0], rotated=100.0)
    first, *others = await asyncio.gather(*(hashes.now() for _ in range(10)))
    assert all(one is first for one in others)
    assert (made, len(first)) == ([0.0], 2)
    now[0] = 99.0
    assert await hashes.now() is first
    now[0] = 100.0
    assert (await hashes.now()).pepper != first.pepper
    assert made == [0.0, 100.0]
