"""Searching the tables of a load, on both databases, against the plain answer: every entry looked at one by one."""

from __future__ import annotations

import asyncio
from array import array
from collections import Counter
from collections.abc import AsyncIterator, Collection, Sequence
from pathlib import Path
from random import Random

import pytest
import pytest_asyncio

from bridge.people.national.files.flatfiles import sources
from bridge.people.national.files.merging import entry_of, rank_of
from bridge.people.national.files.runs import Runs
from bridge.people.national.kept import grams, postings
from bridge.people.national.kept.kept_loads import loads_of
from bridge.people.national.kept.lookup import Lookup
from bridge.people.national.loads.guards import Limits
from bridge.people.national.loads.loading import Loading
from bridge.people.searching.entry import Entry
from bridge.people.searching.index_words import words_of
from deploy.world.annuaire.files import Country, write
from deploy.world.postgres import Postgres

COUNTRY = Country(people=1200, boxes=300)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return write(tmp_path_factory.mktemp("files"), COUNTRY)


@pytest.fixture(scope="module")
def plain(files: list[Path], tmp_path_factory: pytest.TempPathFactory) -> list[tuple[Entry, set[str]]]:
    """Every entry with its words, in the order of a search."""
    runs = Runs(tmp_path_factory.mktemp("runs"))
    for text in sources(files):
        runs.sort(text)
    found = sorted((entry_of(*one) for one in runs.people()), key=lambda entry: (rank_of(entry), entry.id))
    return [(entry, words_of(entry)) for entry in found]


@pytest.fixture(scope="module", params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def loaded(request: pytest.FixtureRequest, files: list[Path], tmp_path_factory: pytest.TempPathFactory) -> str:
    """The URL of a database whose directory is loaded."""
    folder = tmp_path_factory.mktemp("hub")
    url = f"sqlite:///{folder}/hub.db"
    if request.param == "postgresql":
        server: Postgres = request.getfixturevalue("postgres")
        url = asyncio.run(server.create_database())
    assert asyncio.run(load(url, folder, files)) == "loaded"
    return url


async def load(url: str, folder: Path, files: list[Path]) -> str:
    loads = loads_of(url)
    try:
        return (await Loading(loads, folder, Limits()).run(files)).state
    finally:
        await loads.close()


@pytest_asyncio.fixture
async def lookup(loaded: str) -> AsyncIterator[Lookup]:
    loads = loads_of(loaded)
    tables = await loads.open(await loads.current() or 0)
    yield await Lookup.at(tables)
    await tables.close()
    await loads.close()


def held(words: set[str], group: Collection[str]) -> bool:
    return any(w in words or (w.endswith("*") and any(x.startswith(w[:-1]) for x in words)) for w in group)


def expected(plain: Sequence[tuple[Entry, set[str]]], groups: Sequence[Collection[str]], limit: int) -> list[Entry]:
    return [entry for entry, words in plain if all(held(words, group) for group in groups)][:limit]


def asked(plain: Sequence[tuple[Entry, set[str]]]) -> list[list[list[str]]]:
    """Questions of every kind, about people who are there."""
    random, questions = Random(5), list[list[list[str]]]()
    for _, words in random.sample(plain, 15):
        some = sorted(words)
        random.shuffle(some)
        size = random.randint(2, 6) if not postings.is_unique(some[2]) else 9  # (a short one stands for too many)
        begin = some[2][:size] + "*"
        questions += [[[some[0]]], [[some[0]], [some[1], "fnobody"]], [[begin], [some[1]]], [[begin, some[3]]]]
    return [*questions, [["cinfirmier"]], [["cinfirmier"], ["tparis*", "t13*"]], [["fm*"], ["g*"]], [["inone"]], [[]]]


async def test_a_search_finds_what_a_look_at_every_entry_finds_in_the_same_order(
    lookup: Lookup, plain: list[tuple[Entry, set[str]]]
) -> None:
    for groups in asked(plain):
        for limit in (3, 400):
            assert list(await lookup.holding(groups, limit)) == expected(plain, groups, limit), (groups, limit)
    assert await lookup.holding([], 5) == ()


async def test_the_vocabulary_counts_begins_and_knows_what_is_near(
    lookup: Lookup, plain: list[tuple[Entry, set[str]]]
) -> None:
    count = Counter(word for _, words in plain for word in words)
    shared = {word: many for word, many in count.items() if not postings.is_unique(word)}
    for begin in ("fm", "fmar", "tsa", "cm"):
        there = sorted((word for word in shared if word.startswith(begin)), key=lambda word: (-shared[word], word))
        assert await lookup.begins(begin, 12) == there[:12]
    some = [*sorted(count)[::50], "fnobody"]
    assert await lookup.count(some) == {word: count[word] for word in some if word in count}
    for typed, meant in (
        ("fmartni", "fmartin"),
        ("fmartn", "fmartin"),
        ("cinfirmeir", "cinfirmier"),
        ("tmarsille", "tmarseille"),
    ):
        assert meant in (await lookup.near(typed, 5))[:2]
        assert all(word[0] == typed[0] for word in await lookup.near(typed, 50))
    assert await lookup.near("i10001000001", 5) == ()
    number = next(entry.id for entry, _ in plain if entry.id.startswith("rpps:"))[5:]
    assert await lookup.begins(f"i{number}", 5) == [f"i{number}"]


async def test_people_are_found_by_id_and_by_mailbox_of_which_several_may_be(
    lookup: Lookup, plain: list[tuple[Entry, set[str]]]
) -> None:
    entries = [entry for entry, _ in plain]
    ids = [entry.id for entry in entries[::97]]
    assert [entry.id for entry in await lookup.entries([ids[1], "rpps:1", *ids])] == [ids[1], *ids]
    boxes = Counter(box for entry in entries for box in entry.boxes)
    shared, own = boxes.most_common(1)[0][0], boxes.most_common()[-1][0]
    assert len(await lookup.with_box(shared)) == boxes[shared] > 1
    assert [entry.boxes for entry in await lookup.with_box(own)] == [e.boxes for e in entries if own in e.boxes]
    assert await lookup.with_box("nobody@x.fr") == []


@pytest.mark.parametrize("many", [0, 1, 3, 1024, 1025, 40_000, 65_536])
def test_entries_of_a_word_come_back_from_their_bytes(many: int) -> None:
    places = sorted(Random(many).sample(range(postings.PART), many))
    packed = postings.pack(array("H", places))
    assert list(postings.places_of(postings.unpack(packed))) == places
    assert postings.places_within(postings.unpack(packed), 2) == places[:2]
    assert len(packed) <= 8192
    other = postings.pack(array("H", [7, 8]))
    assert set(postings.places_of(postings.union([packed, other]))) == {*places, 7, 8}


def test_a_part_keeps_beginnings_like_words() -> None:
    part = postings.IndexPart(postings.part_of(1, 2))
    numbers = [part.add(words) for words in (["fmartin", "c"], ["fmarty"], ["fdurand"])]
    assert numbers == [postings.first_of(part.part) + n for n in range(3)]
    assert postings.rank_of_part(part.part) == 1
    rows = {word: (many, list(postings.places_of(postings.unpack(docs)))) for word, _, many, docs in part.postings()}
    assert rows["fmar*"] == rows["fm*"] == (2, [0, 1])
    assert rows["fdur*"] == rows["fdurand"] == (1, [2])
    assert "c*" not in rows
    assert postings.is_kept("fma")
    assert not postings.is_kept("i100")


def test_letters_that_swap_are_near_however_short_the_word() -> None:
    words = {"flevy": 3, "flavie": 9, "fleroy": 1}
    assert grams.alike("flvey", words, 1) == ["flevy"]
    assert grams.candidates([grams.pack([5, 7]), grams.pack([7])]) == [7, 5]
    assert not grams.has_grams("mmartin")
