"""`liaison federation`: from a CSV file to a signed list that a hub uses, and what an operator is told on the way."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from appservice.process.command import main
from tests.matrix.process.test_start import written

ROWS = (
    "domain,roles,operator,identifier\nCHU.example,matrix,CHU de Lyon,finess:690000000\nmss.example,mail product,MSS,\n"
)


@pytest.fixture
def desk(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Desk:
    return Desk(tmp_path, capsys)


class Desk:
    """An operator at a shell."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self._capsys = capsys
        self.config: tuple[str, ...] = ()

    def types(self, *words: str | Path, into: str = "") -> tuple[int, str]:
        """The status, and what was said; ``into`` a file."""
        self._capsys.readouterr()
        status = main(["federation", *self.config, *map(str, words)])
        said = self._capsys.readouterr()
        if into:
            (self.folder / into).write_text(said.out)
        return status, said.out + said.err

    def at(self, name: str) -> Path:
        return self.folder / name

    def makes(self, sequence: str, rows: str, *more: str | Path) -> Path:
        """A signed list."""
        self.at("rows.csv").write_text(rows)
        assert self.types("issue", self.at("rows.csv"), *more, into=f"{sequence}.json")[0] == 0
        signing = ("sign", self.at(f"{sequence}.json"), "--key", self.at("key.pem"))
        assert self.types(*signing, into=f"{sequence}.jws")[0] == 0
        return self.at(f"{sequence}.jws")


def test_a_list_is_issued_signed_compared_verified_and_explained(desk: Desk) -> None:
    status, public = desk.types("key", desk.at("key.pem"), into="public.pem")
    assert (status, "PRIVATE" in public, desk.at("key.pem").stat().st_mode & 0o77) == (0, False, 0)
    assert desk.types("key", desk.at("key.pem"))[0] == 1  # never written over
    first = desk.makes("1", ROWS, "--issuer", "ANS")
    assert json.loads(desk.at("1.json").read_text())["participants"][0] == {
        "domain": "chu.example", "roles": ["matrix"], "operator": "CHU de Lyon", "identifier": "finess:690000000",
    }  # fmt: skip
    later = ROWS.replace("mail product", "mail") + "*.paris.example,matrix,AP-HP,\n"
    second = desk.makes("2", later.replace("CHU.example,matrix,CHU de Lyon,finess:690000000\n", ""), "--after", first)
    status, said = desk.types("diff", first, second)
    assert said.splitlines()[0].startswith("1 -> 2, counts until 20")
    assert said.splitlines()[1:] == [
        "+ *.paris.example  matrix  AP-HP",
        "- chu.example  matrix  CHU de Lyon  finess:690000000",
        "~ mss.example  mail product  MSS  ->  mail  MSS",
    ]
    status, said = desk.types("verify", second, "--key", desk.at("public.pem"))
    assert status == 0
    assert "list 2 of ANS: 2 take part" in said
    desk.types("key", desk.at("other.pem"), into="other_public.pem")
    status, said = desk.types("verify", second, "--key", desk.at("other_public.pem"))
    assert (status, "pinned" in said) == (1, True)
    section = {"file": str(second), "keys": [str(desk.at("public.pem"))], "state": str(second)}
    desk.config = ("-c", written(desk.folder, trust={"federation": section}))
    assert desk.types("why", "x.paris.example") == (
        0,
        "yes: list 2 of ANS: *.paris.example takes part as matrix by AP-HP\n",
    )
    assert desk.types("why", "mss.example") == (1, "no: list 2 of ANS: mss.example takes part as mail only\n")
    assert desk.types("why", "mss.example", "--role", "mail")[0] == 0


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        ("", "the first line names the columns domain, roles"),
        ("domain;roles;operator\na.example;matrix;A\n", "the first line names the columns"),
        ("domain,roles,operator\na.example,king,A\n", "line 2: roles are matrix, mail, product"),
        ("domain,roles,operator\na.example,,A\n", "participants.0.roles"),
        ("domain,roles,operator\na example,matrix,A\n", "participants.0.domain"),
        ("domain,roles,operator\na.example,matrix,\n", "participants.0.operator"),
        ("domain,roles,operator\na.example,matrix,A\nA.example,mail,B\n", "a domain is there twice"),
    ],
    ids=["empty", "semicolons", "role", "no role", "domain", "operator", "twice"],
)
def test_a_file_with_a_mistake_issues_nothing(desk: Desk, rows: str, says: str) -> None:
    desk.at("rows.csv").write_text(rows)
    status, said = desk.types("issue", desk.at("rows.csv"), "--issuer", "ANS", into="1.json")
    assert (status, says in said, desk.at("1.json").read_text()) == (1, True, "")


def test_what_is_missing_is_said(desk: Desk) -> None:
    desk.at("rows.csv").write_text(ROWS)
    assert "--issuer" in desk.types("issue", desk.at("rows.csv"))[1]
    assert "No such file" in desk.types("sign", desk.at("none"), "--key", desk.at("none"))[1]
    desk.at("bad.json").write_text("{}")
    assert "format" in desk.types("sign", desk.at("bad.json"), "--key", desk.at("none"))[1]
    desk.config = ("-c", written(desk.folder))
    status, said = desk.types("why", "chu.example")
    assert (status, "no such section" in said) == (2, True)


@pytest.mark.parametrize(
    ("section", "says"),
    [
        ({"keys": ["k"], "state": "s"}, "either url or file"),
        ({"url": "https://a.example/l", "file": "f", "keys": ["k"], "state": "s"}, "either url or file"),
        ({"url": "http://a.example/l", "keys": ["k"], "state": "s"}, "an https:// address"),
        ({"file": "f", "keys": [], "state": "s"}, "trust.federation.keys"),
        ({"file": "f", "keys": ["/none/key.pem"], "state": "s"}, "trust.federation.keys.0: /none/key.pem"),
        ({"file": "f", "keys": ["k"]}, "trust.federation.state"),
    ],
)
def test_a_section_with_a_mistake_is_said(desk: Desk, section: dict[str, object], says: str) -> None:
    desk.config = ("-c", written(desk.folder, trust={"federation": section}))
    status, said = desk.types("why", "chu.example")
    assert (status, says in said) == (2, True)
