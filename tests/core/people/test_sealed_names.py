"""How somebody outside of the directory calls themselves is not in clear on disk, and is there after a start."""

from __future__ import annotations

from bridge.model import Address
from bridge.people.sealed_names import opened, sealed
from bridge.seal import Seal
from tests.core.make import FAST, SEAL, networks, running
from tests.core.store.test_reading import rows

BEN, NAME = Address("matrix", "@mia:chu.example"), "Benoît Durand, patient"


def test_a_name_opens_for_its_person_only() -> None:
    kept = sealed(SEAL, str(BEN), NAME)
    assert NAME not in kept
    assert opened(SEAL, str(BEN), kept) == NAME
    assert opened(SEAL, "matrix:@eve:chu.example", kept) is None
    assert opened(Seal({"other": bytes(32)}, "other"), str(BEN), kept) is None
    assert opened(SEAL, str(BEN), "Benoît") == "Benoît"  # as an earlier version has kept it


async def test_a_name_is_sealed_on_disk_and_known_after_a_start(url: str) -> None:
    async with running(url, networks(), FAST) as w:
        await w.hub.introduce(BEN, NAME)
        [(person, kept)] = await rows(w.db, "SELECT person, name FROM name")
        assert person == str(BEN)
        assert "Durand" not in kept
    async with running(url, networks(), FAST) as w:
        found = await w.hub.facts.who(BEN)
        assert found is not None
        assert found.name == f"{NAME} (@mia:chu.example)"
