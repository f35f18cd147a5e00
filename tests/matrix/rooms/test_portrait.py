"""Pictures of professionals: which letters, which colour, a file that a program of others can read."""

from __future__ import annotations

import struct
import zlib
from string import ascii_uppercase

import pytest

from appservice.rooms.portrait import SIZE, draw, initials, look
from bridge.model import Person
from deploy.world.waiting import until
from tests.matrix.make import ANNA, CLEO, PEOPLE, World, entry, ghost


@pytest.mark.parametrize(
    ("name", "letters"),
    [
        ("Dr Cléo Petit", "CP"),
        ("Mme Élodie de La Tour-d'Auvergne", "EA"),
        ("Secrétariat de cardiologie", "SC"),
        ("Dr Œ 王", ""),
        ("Zoë", "Z"),
        ("Dr", ""),
        ("secretariat@chu.example", "SE"),
        ("", ""),
    ],
)
def test_initials(name: str, letters: str) -> None:
    assert initials(name) == letters


def pixels(png: bytes) -> list[bytes]:
    """The rows of a picture (RFC 2083), every check made."""
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    at, found = 8, {}
    while at < len(png):
        [length] = struct.unpack(">I", png[at : at + 4])
        kind, data = png[at + 4 : at + 8], png[at + 8 : at + 8 + length]
        [check] = struct.unpack(">I", png[at + 8 + length : at + 12 + length])
        assert check == zlib.crc32(kind + data)
        found[kind], at = data, at + 12 + length
    assert struct.unpack(">IIBB", found[b"IHDR"][:10]) == (SIZE, SIZE, 8, 2)
    raw = zlib.decompress(found[b"IDAT"])
    rows = [raw[n : n + 1 + 3 * SIZE] for n in range(0, len(raw), 1 + 3 * SIZE)]
    assert len(rows) == SIZE
    assert all(row[0] == 0 for row in rows)
    return [row[1:] for row in rows]


def test_every_letter_is_drawn_white_on_the_colour_and_none_like_another() -> None:
    drawn = {letter: pixels(draw(f"{letter}0")) for letter in ascii_uppercase}
    assert len({b"".join(rows) for rows in drawn.values()}) == 26
    for rows in drawn.values():
        assert rows[0] == rows[0][:3] * SIZE, "no letter touches the edge"
        assert b"\xff\xff\xff" in b"".join(rows)
    wide = pixels(draw("MW9"))
    assert all(row[:3] == wide[0][:3] == row[-3:] for row in wide)


def test_people_of_one_profession_have_one_colour() -> None:
    def colour(profession: str) -> str:
        return str(look(Person("rpps:1", "A B", profession)))[-1]

    assert colour("Médecin — Cardiologie") == colour("Médecin") == colour("médecin ")
    assert len({colour(one) for one in ("Médecin", "Infirmier", "Pharmacien", "Sage-femme", "Chirurgien-dentiste")}) > 2
    assert look(Person("rpps:1", "王")) is None


async def test_a_picture_is_uploaded_once_for_all_who_look_alike_and_never_changed(world: World) -> None:
    anne = entry("10000000007", "Dr Anne Mercier", "pandalab:anne")  # AM, as Anna Martin
    async with world.node() as node:
        for person in (PEOPLE[0], anne, PEOPLE[1]):
            await node.matrix.ghosts.ensure(person)
        shown = [world.stub.world.users[ghost(n)].profile["avatar_url"] for n in (ANNA, "10000000007", CLEO)]
        assert shown[0] == shown[1] != shown[2]
        assert all(url.startswith("mxc://") for url in shown)
        assert world.stub.asked["upload"] == 2
        renamed = entry(ANNA, "Dr Zoé Martin", "pandalab:anna")
        await node.matrix.ghosts.ensure(renamed)
        assert world.stub.world.users[ghost(ANNA)].profile["avatar_url"] == shown[0]


@pytest.mark.parametrize("status", [403, 503])
async def test_a_homeserver_without_pictures_is_no_hindrance(world: World, status: int) -> None:
    world.stub.fault(r"POST /_matrix/media", times=9, status=status)
    async with world.node() as node:
        await node.matrix.show(PEOPLE[:2])
        await until(lambda: all(node.matrix.ghosts.is_ready(ghost(n)) for n in (ANNA, CLEO)))
        assert "avatar_url" not in world.stub.world.users[ghost(ANNA)].profile
