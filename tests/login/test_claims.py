"""What Pro Santé Connect says, judged without a server; and the names that follow from a number."""

from __future__ import annotations

import json
import re
from base64 import urlsafe_b64encode
from pathlib import Path
from typing import Any

import pytest
from liaison_login.claims import Acr, Demands, LoginRefused, Proven, proven
from liaison_login.directory import Entry, State
from liaison_login.following import Change, Last, TooMany, changes, lost
from liaison_login.names import Localparts, alike
from liaison_login.settings import parse
from liaison_login.words import CODES, say

from appservice.client.names import Names
from deploy.world.provider import professional
from tests.login.make import PACKAGE

RPPS = "10000000001"
ISSUER, CLIENT = "https://auth.psc.example/auth/realms/esante-wallet", "liaison-chu"
DEMANDS = Demands(ISSUER, CLIENT, Acr.eidas2)


def token(alg: str = "RS256", **claims: Any) -> dict[str, Any]:
    said = {"iss": ISSUER, "aud": CLIENT, "azp": CLIENT, "sub": professional(RPPS, "A", "B")["sub"], "acr": "eidas2"}
    return {"access_token": "x", "id_token": f"{_part({'alg': alg})}.{_part(said | claims)}.signature"}


def _part(value: dict[str, Any]) -> str:
    return urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def judged(demands: Demands = DEMANDS, userinfo: dict[str, Any] | None = None, **claims: Any) -> Proven | str:
    """Who it is, or why not."""
    try:
        return proven(token(**claims), professional(RPPS, "Anna", "Martin", **(userinfo or {})), demands)
    except LoginRefused as refused:
        return refused.code


def test_a_professional_is_known_by_number_level_and_professions() -> None:
    assert judged() == Proven(RPPS, Acr.eidas2, frozenset({"10"}))
    assert judged(aud=[CLIENT]) == judged(azp=None) == judged()


@pytest.mark.parametrize(
    ("said", "least", "absent", "result"),
    [
        ("eidas1", Acr.eidas1, None, Acr.eidas1), ("eidas1", Acr.eidas2, None, "weak_acr"),
        ("eidas3", Acr.eidas2, None, Acr.eidas3), ("eidas2", Acr.eidas3, None, "weak_acr"),
        (None, Acr.eidas1, None, "no_acr"), ("", Acr.eidas1, None, "no_acr"),
        (None, Acr.eidas1, Acr.eidas1, Acr.eidas1),
        (None, Acr.eidas2, Acr.eidas1, "weak_acr"), ("eidas4", Acr.eidas1, Acr.eidas3, "weak_acr"),
        (1, Acr.eidas1, None, "weak_acr"), (["eidas3"], Acr.eidas1, None, "weak_acr"),
    ],
)  # fmt: skip
def test_the_level_is_an_ordered_minimum(said: Any, least: Acr, absent: Acr | None, result: Acr | str) -> None:
    found = judged(Demands(ISSUER, CLIENT, least, absent), acr=said)
    assert (found.acr if isinstance(found, Proven) else found) == result


@pytest.mark.parametrize(
    ("more", "code"),
    [
        ({"SubjectNameID": None}, "no_national_id"), ({"SubjectNameID": 810000000001}, "no_national_id"),
        ({"SubjectNameID": f"8{RPPS}2"}, "no_rpps"), ({"SubjectNameID": "8１０0000000001"}, "no_rpps"),
        ({"SubjectNameID": f"8{RPPS}\n"}, "no_rpps"), ({"SubjectNameID": RPPS}, "no_rpps"),
        ({"otherIds": "x"}, "other_ids"), ({"otherIds": ["x"]}, "other_ids"),
        ({"otherIDs": [{"origine": "rpps"}]}, "other_ids"),
        ({"SubjectRole": ["10"]}, "wrong_role"), ({"SubjectRole": {"10": 1}}, "wrong_role"),
        ({"SubjectRole": [10]}, "wrong_role"),
        ({"SubjectRefPro": []}, "wrong_role"), ({"SubjectRefPro": {"exercices": {}}}, "wrong_role"),
        ({"sub": ""}, "other_sub"), ({"sub": None}, "other_sub"),
    ],
)  # fmt: skip
def test_what_is_malformed_is_refused(more: dict[str, Any], code: str) -> None:
    assert judged(userinfo=more) == code


def test_every_practice_counts_and_an_empty_text_is_absent() -> None:
    practices = [{"codeProfession": "10"}, {"codeProfession": "60"}, {"codeProfession": ""}]
    more = {"SubjectRole": ["60^1.2.250.1.213.1.1.5.5"], "SubjectRefPro": {"exercices": practices}}
    found = judged(userinfo=more)
    assert isinstance(found, Proven)
    assert found.professions == {"10", "60"}
    assert isinstance(judged(userinfo={"SubjectRole": "10/SM54^1.2.250.1.213.1.1.5.5"}), Proven)
    assert isinstance(judged(userinfo={"otherIds": None, "SubjectRole": None, "SubjectRefPro": None}), Proven)
    adeli = [{"identifiant": "0751234567", "origine": "ADELI"}, {"identifiant": RPPS, "origine": "RPPS"}]
    assert isinstance(judged(userinfo={"otherIds": adeli}), Proven)


@pytest.mark.parametrize("bad", [None, 1, "", "x.y.z", "a.b", f"{_part({})}.W10.x"])
def test_a_token_that_is_none(bad: Any) -> None:
    with pytest.raises(LoginRefused, match="no_id_token"):
        proven({"id_token": bad}, professional(RPPS, "A", "B"), DEMANDS)


def test_algorithms_are_a_list() -> None:
    assert judged(alg="HS256") == judged(alg="none") == judged(alg="ES256") == "wrong_algorithm"


# ---- names


def test_the_hub_and_the_homeserver_make_the_same_name() -> None:
    names = Localparts("ps_", ("rpps_", "mss_"))
    assert Names("rpps_", "chu.example").account(RPPS) == f"@{names.of(RPPS)}:chu.example"
    assert names.rpps(names.of(RPPS)) == RPPS


@pytest.mark.parametrize(
    ("localpart", "reserved"),
    [
        ("anna.martin", False), ("psychologie", False), ("chu_ines", False), ("isabelle.boissellolis", False),
        ("0612345678", False), ("lizolibosiilbozo", False), ("ps_x", True), ("p5.x", True), ("ps-secretariat", True),
        ("ps_810000000001", True), ("ps_8l0000000001", True), ("10000000001", True), ("dr.1000-0000-001", True),
        ("chu_8IOOO0000001", True), ("x33612345678", True), ("ps=5f8", True),
    ],
)  # fmt: skip
def test_what_looks_like_a_professionals_name_is_reserved(localpart: str, reserved: bool) -> None:
    names = Localparts("ps_")
    assert names.reserved(localpart) is reserved
    assert not names.reserved(localpart) or names.rpps(localpart) in (None, RPPS)


@pytest.mark.parametrize(
    "bad", ["ps_81000000000", "ps_8100000000011", "ps_710000000001", "PS_810000000001", "ps_8１00000"]
)
def test_only_the_exact_name_is_a_number(bad: str) -> None:
    assert Localparts("ps_").rpps(bad) is None


def test_ghosts_are_the_hubs() -> None:
    names = Localparts("ps_", ("rpps_", "mss_"))
    assert names.ghost("rpps_10000000001")
    assert not names.ghost("ps_810000000001")
    assert alike("rpps_10000000001")


# ---- settings and words


def _settings(tmp_path: Path, **more: Any) -> dict[str, Any]:
    (tmp_path / "token").write_text("secret\n")
    given = {
        "issuer": ISSUER,
        "client_id": CLIENT,
        "hub": "http://127.0.0.1:29300/",
        "hub_token_file": str(tmp_path / "token"),
    }
    return {name: value for name, value in (given | more).items() if value is not None}


def test_settings_have_strict_defaults_and_hide_the_token(tmp_path: Path) -> None:
    found = parse(_settings(tmp_path, others={"chu": "chu_"}))
    assert (found.demands.least, found.demands.without_acr, found.provider) == (Acr.eidas1, None, "oidc-psc")
    assert (found.hub, found.token, found.others) == ("http://127.0.0.1:29300", "secret", {"oidc-chu": "chu_"})
    assert "secret" not in repr(found)


@pytest.mark.parametrize(
    ("more", "named"),
    [
        ({"issuer": None}, "issuer"), ({"hub": None}, "hub"), ({"least_acr": "high"}, "least_acr"),
        ({"without_acr": "x"}, "without_acr"), ({"algorithms": ["HS256"]}, "algorithms"), ({"prefix": "PS"}, "prefix"),
        ({"others": {"chu": "ps_"}}, "others.chu"), ({"others": {"chu": "p5-"}}, "others.chu"),
        ({"last_for": -1}, "last_for"),
        ({"refresh": True}, "refresh"), ({"isuer": "x"}, "isuer"),
    ],
)  # fmt: skip
def test_a_wrong_setting_is_named(tmp_path: Path, more: dict[str, Any], named: str) -> None:
    with pytest.raises(ValueError, match=named):
        parse(_settings(tmp_path, **more))


def test_every_reason_has_words_and_is_used() -> None:
    used = set(re.findall(r'"([a-z]+(?:_[a-z]+)+|taken|reserved)"', "".join(p.read_text() for p in _sources())))
    assert used >= CODES
    assert all(re.fullmatch(r".+ / .+ \([a-z_]+\)", say(code)) for code in CODES)


def test_what_runs_inside_of_synapse_needs_nothing_of_the_hub() -> None:
    for source in PACKAGE.glob("liaison_login/*.py"):
        assert not re.search(r"^\s*(from|import) (bridge|appservice|liaison\b|deploy)", source.read_text(), re.M), (
            source
        )


def _sources() -> list[Path]:
    return [p for p in sorted(PACKAGE.glob("liaison_login/*.py")) if p.name != "words.py"]


# ---- what follows for accounts


def _accounts(count: int, state: State = State.ACTIVE) -> list[tuple[str, Last | None]]:
    return [(f"@{n}", Last(Entry(state, "Dr A"), 0)) for n in range(count)]


def test_an_account_closes_once_and_is_named_anew_where_the_name_differs() -> None:
    accounts = [*_accounts(2), ("@new", None), ("@gone", Last(Entry(State.STRUCK_OFF, "Dr A"), 0))]
    closed, same = Entry(State.STRUCK_OFF, "Dr A (n'exerce plus)"), Entry(State.STRUCK_OFF, "Dr A")
    found = {"@0": closed, "@1": Entry(State.ACTIVE, "Dr A"), "@new": Entry(State.ACTIVE, "Dr B"), "@gone": same}
    assert [(one.user, one.closes, one.named) for one in changes(accounts, found)] == [
        ("@0", True, True), ("@1", False, False), ("@new", False, True), ("@gone", False, False),
    ]  # fmt: skip
    assert changes([("@new", None)], {"@new": Entry(State.REVOKED, "")}) == [
        Change("@new", Entry(State.REVOKED, ""), True, False)
    ]


def test_who_is_not_known_stays_and_many_at_once_are_not_believed() -> None:
    unknown = {"@0": Entry(State.UNKNOWN, "")}
    assert changes(_accounts(3), unknown) == []
    assert lost(_accounts(3), unknown) == ["@0"]
    gone = {user: Entry(State.STRUCK_OFF, "") for user, _ in _accounts(100)}
    with pytest.raises(TooMany, match="100 of 100"):
        changes(_accounts(100), gone)
    assert len(changes(_accounts(10), gone)) == 10, "a small site may close"
    assert changes(_accounts(100, State.STRUCK_OFF), gone)[0].closes is False
