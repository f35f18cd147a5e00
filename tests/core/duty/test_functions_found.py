"""A function is found by its name, has a user in Matrix, and its urgency survives every leg."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from appservice.client.names import Names
from appservice.process import duty as command
from appservice.process.duty import add_arguments
from bridge.capabilities import fit
from bridge.config import BadConfig, Config
from bridge.connector import Capabilities
from bridge.hub.duty.phrases import is_urgent
from bridge.model import Address, Body, Delivery, Kind, Person
from bridge.people.directories.flatfile import FlatFile
from bridge.people.directories.functions import WithFunctions
from bridge.people.duty.kept_rota import KeptRota
from tests.core.duty.make import CLEO, text_of
from tests.core.make import PEOPLE

ALL_DAY = "{who: [cleo, dan], days: daily, from: 08:00, to: 20:00}"


async def test_a_function_is_found_like_a_person(tmp_path: Path) -> None:
    (tmp_path / "rota.yaml").write_text(text_of(ALL_DAY), "utf-8")
    found = WithFunctions(FlatFile(PEOPLE), KeptRota(tmp_path / "rota.yaml"))
    assert [p.id for p in await found.search("cardio garde", 5)] == ["function:garde"]
    assert await found.search("cardio lyon", 5) == []
    assert (await found.search("petit", 5))[0].id == CLEO
    entry = await found.at(Address("function", "garde"))
    assert entry == await found.person("function:garde") == Person(
        "function:garde", "Cardiologie de garde", addresses=(Address("function", "garde"),)
    )  # fmt: skip
    assert await found.person("function:autre") is None
    assert "function:garde" in {p.id async for page in found.everyone() for p in page}


def test_its_user_in_matrix() -> None:
    names = Names("rpps_", "hub.example")
    assert names.of("function:cardio-2") == "@rpps_function_cardio-2:hub.example"
    assert names.person("@rpps_function_cardio-2:hub.example") == "function:cardio-2"
    assert names.handle("@rpps_function_cardio-2:hub.example") == "function:cardio-2"
    for alike in ("@rpps_function_:hub.example", "@rpps_function_A:hub.example", "@rpps_function_a_b:hub.example"):
        assert names.person(alike) is None
        assert names.alike(alike) == ("bad_rpps" if alike.islower() else None)
    assert names.of("function:A b") is None


@pytest.mark.parametrize(
    ("text", "urgent"),
    [("URGENT : avis", True), ("⚠️ URGENT avis", True), ("urgent", False), ("Pas URGENT", False), ("", False)],
)
def test_a_text_that_begins_with_the_word_is_urgent(text: str, urgent: bool) -> None:
    assert is_urgent(text) is urgent


def test_where_no_field_says_it_the_text_begins_with_the_word() -> None:
    sender = Person(CLEO, "Cléo")
    one = Delivery("d", "siilo", "m", "c", None, sender, Kind.TEXT, Body("Avis", "<p>Avis</p>", urgent=True), (), 0, 1)
    assert fit(one, Capabilities()).body.text == "URGENT : Avis"
    assert fit(one, Capabilities()).body.html == "<strong>URGENT : </strong><p>Avis</p>"
    assert fit(one, Capabilities(urgent=True)).body.text == "Avis"


async def test_the_command_says_who_is_on_duty(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    away = f'absences:\n- {{who: "{CLEO}", from: 2020-01-01, to: 2090-01-01}}\n'
    (tmp_path / "rota.yaml").write_text(text_of(ALL_DAY, away), "utf-8")
    (tmp_path / "people.csv").write_text(f"rpps,name\n{CLEO.removeprefix('rpps:')},Cléo Petit\n", "utf-8")
    config = Config.model_validate({
        "seal": {"active": "1", "keys": {"1": ""}}, "matrix": {}, "duty": {"rota": tmp_path / "rota.yaml"},
        "directory": {"flatfile": tmp_path / "people.csv"},
    })  # fmt: skip
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    assert await command.main(parser.parse_args(["who", "cardio", "--at", "2026-12-01 12:00"]), config) == 0
    said = capsys.readouterr().out
    assert "on duty: rpps:10000000004 until Tue 2026-12-01 20:00" in said  # Cléo is away
    assert await command.main(parser.parse_args([]), config) == 0
    assert "absent: Cléo Petit (rpps:10000000003) until" in capsys.readouterr().out
    assert await command.main(parser.parse_args(["who", "autre"]), config) == 1
    with pytest.raises(BadConfig, match="--at"):
        await command.main(parser.parse_args(["who", "garde", "--at", "demain"]), config)
