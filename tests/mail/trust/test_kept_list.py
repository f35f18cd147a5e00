"""The last good list outlives restarts and its signer; what was tampered with or is half written is not taken."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from tests.mail.trust.make import ANNA, ROWS, Clock, Place, at, authority, certificate
from tests.mail.trust.test_trustfeed import trust


async def test_the_last_good_list_survives_a_restart(tmp_path: Path) -> None:
    place, clock = Place(tmp_path), Clock()
    place.publish(ROWS, at(hours=1))
    await trust(place, clock).refresh()
    place.list.unlink()
    clock.now += 3600
    again = trust(place, clock)
    await again.start()
    await again.stop()
    assert again.judge(certificate(ANNA).der).ok
    assert 3500 < again.age_s < 3700
    assert again.list is not None
    place.publish(ROWS, at(hours=2))
    await again.refresh()
    assert again.trouble == "rollback"


async def test_the_kept_list_outlives_its_signer(tmp_path: Path) -> None:
    place, clock = Place(tmp_path), Clock()
    soon = authority().signer(valid=(timedelta(days=-1), timedelta(hours=1)))
    place.publish(ROWS, by=soon)
    await trust(place, clock).refresh()
    clock.now += 2 * 3600
    place.list.unlink()
    again = trust(place, clock)
    await again.start()
    await again.stop()
    assert again.judge(certificate(ANNA).der).ok


async def test_a_kept_list_that_was_tampered_with_is_not_used(tmp_path: Path) -> None:
    place = Place(tmp_path)
    data = place.publish(ROWS)
    await trust(place).refresh()
    place.list.unlink()
    (place.settings.state / "list.xml").write_bytes(data.replace(b"ben.sante", b"eve.sante"))
    again = trust(place)
    await again.start()
    await again.stop()
    assert again.list is None


@pytest.mark.parametrize(
    "note", [b"", b"{", b"[]", b'{"digest": 1}', b'{"digest":"x","accepted_at":null,"confirmed_at":0}']
)
async def test_a_kept_list_with_a_broken_note_is_used(tmp_path: Path, note: bytes) -> None:
    place = Place(tmp_path)
    place.publish(ROWS)
    await trust(place).refresh()
    place.list.unlink()
    (place.settings.state / "list.json").write_bytes(note)
    again = trust(place)
    await again.start()
    await again.stop()
    assert again.judge(certificate(ANNA).der).ok


async def test_a_half_written_file_is_never_taken(tmp_path: Path) -> None:
    """What a crash leaves behind is a file of another name."""
    place = Place(tmp_path)
    place.publish(ROWS)
    await trust(place).refresh()
    (place.settings.state / ".list.xml.1.new").write_bytes(b"<half")
    place.list.unlink()
    again = trust(place)
    await again.start()
    await again.stop()
    assert again.knows("anna.sante.example")


async def test_the_state_is_for_the_owner_only(tmp_path: Path) -> None:
    place = Place(tmp_path)
    place.publish(ROWS)
    await trust(place).refresh()
    assert place.settings.state.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in place.settings.state.iterdir()} == {0o600}


async def test_a_state_directory_that_cannot_be_written(tmp_path: Path) -> None:
    place = Place(tmp_path)
    place.publish(ROWS)
    place.settings.state.write_text("a file")
    live = trust(place)
    assert await live.refresh() is None
    assert live.trouble == "state_NotADirectoryError"
    assert live.list is None
