"""Who is who: two patients never share a thread, and one patient is recognised across the forms of documents."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.model import File
from bridge.networks.mail.documents import patient as p
from bridge.networks.mail.documents import read
from tests.mail.documents import make

OTHER_NUMBER = "1900256123457"
OTHER_INS = OTHER_NUMBER + p.ins_key(OTHER_NUMBER)
ODILE = make.ODILE
LEA = p.make([(p.NIR, OTHER_INS)], ["NOIRMONT"], ["Léa"], "02/02/1990", "F")


def named(family: str, given_name: str = "", birth: str = "") -> p.Patient:
    return p.make((), [family], [given_name] if given_name else [], birth)


# INS (rule of the NIR key; the example is the public test number of ANS)


def test_the_key() -> None:
    assert p.ins_key("2790351215189") == "89"
    assert p.valid_ins("279035121518989")
    assert not p.valid_ins("279035121518988")
    assert not p.valid_ins("2790351215189")
    assert not p.valid_ins("27903512151898x")
    assert p.ins_key("190032A004123") == f"{97 - 1900319004123 % 97:02d}"
    assert p.ins_key("190032B004123") == f"{97 - 1900318004123 % 97:02d}"
    assert p.valid_ins("190032a004123" + p.ins_key("190032A004123"))


@pytest.mark.parametrize("number", ["", "1", "abc", "2790351215", "٢790351215189", "19003 2A00412"])
def test_what_is_no_number(number: str) -> None:
    assert not p.valid_ins(number)
    with pytest.raises(ValueError):
        p.ins_key(number)


@settings(max_examples=300, derandomize=True, deadline=None)
@given(st.integers(10**12, 10**13 - 1), st.integers(0, 14), st.integers(1, 9))
def test_one_wrong_digit_is_always_found(number: int, place: int, step: int) -> None:
    whole = f"{number}{p.ins_key(str(number))}"
    wrong = whole[:place] + str((int(whole[place]) + step) % 10) + whole[place + 1 :]
    assert p.valid_ins(whole)
    assert not p.valid_ins(wrong)


# names and dates


@pytest.mark.parametrize(
    ("one", "two"),
    [("Lefèvre", "LEFEVRE"), ("O'Brien-Le Goff", "o brien  le goff"), ("CŒUR", "coeur"), ("NIÑO", "Nin\u0303o")],
)
def test_names_are_compared_folded(one: str, two: str) -> None:
    assert p.fold(one) == p.fold(two)


@pytest.mark.parametrize(
    ("text", "iso"),
    [
        ("19580714", "1958-07-14"), ("19580714083000+0100", "1958-07-14"), ("1958-07-14", "1958-07-14"),
        ("14/07/1958", "1958-07-14"), ("4/7/1958", "1958-07-04"), ("14.07.58", ""), ("14/07/58", ""), ("1958", ""),
        ("31/02/1958", ""), ("", ""), ("19581399", ""), ("00000000", ""),
    ],
)  # fmt: skip
def test_birth_dates(text: str, iso: str) -> None:
    assert p.birth_date(text) == iso


def test_nothing_is_in_a_repr() -> None:
    assert repr(ODILE) == "Patient()"


# the same?


@pytest.mark.parametrize(
    ("a", "b", "same"),
    [
        # by the national number
        (ODILE, p.make([(p.NIR, make.NUMBER)], ["MARTINEZ"]), True),
        (ODILE, p.make([(p.TEST_NIR, make.INS)]), True),
        (ODILE, p.make([(p.NIR, OTHER_INS)]), False),
        (ODILE, p.make([(p.NIR, OTHER_INS)], ["MARTINEZ-LEROY"], ["Odile"], "19580714"), False),
        (ODILE, p.make([(p.NIR, make.INS)], ["MARTINEZ-LEROY"], ["Odile"], "19590714"), False),
        (ODILE, p.make([(p.NIR, make.INS)], ["MARTINEZ-LEROY"], ["Jeanne"], "19580714"), False),
        (ODILE, p.make([(p.NIR, make.INS)], ["DURAND"], ["Odile"], "19580714"), True),
        # a provisional number says nothing beside a final one; names decide
        (ODILE, p.make([(p.NIA, OTHER_INS)], ["MARTINEZ-LEROY"], ["Odile"], "19580714"), True),
        (ODILE, p.make([(p.NIA, OTHER_INS)]), None),
        # by a local number
        (p.make([("1.2.3", "7")]), p.make([("1.2.3", "7")]), True),
        (p.make([("1.2.3", "7")]), p.make([("1.2.3", "8")]), False),
        (p.make([("1.2.3", "7")]), p.make([("1.2.4", "7")]), None),
        (p.make([("1.2.3", "7")], ["A"], ["B"], "19580714"), p.make([("1.2.3", "8")], ["A"], ["B"], "19580714"), None),
        (p.make([("1.2.3", "7")], ["A"], ["B"]), p.make([("1.2.3", "7")], ["A"], ["C"]), False),
        # by name and birth date
        (ODILE, named("Martinez Leroy", "ODILE", "14/07/1958"), True),
        (ODILE, named("MARTINEZ-LEROY", "Odile"), None),
        (ODILE, named("MARTINEZ-LEROY", "Odile", "15/07/1958"), False),
        (ODILE, named("MARTINEZ-LEROY", "Jeanne", "14/07/1958"), False),
        (ODILE, named("MARTINEZ", "Odile", "14/07/1958"), None),
        (ODILE, named("DURAND", "Odile", "14/07/1958"), None),  # married
        (ODILE, named("DURAND", "Odile"), False),
        (ODILE, named("DURAND"), False),
        (ODILE, p.Patient(), None),
    ],
)
def test_same_patient(a: p.Patient, b: p.Patient, same: bool | None) -> None:
    assert p.same_patient(a, b) is same
    assert p.same_patient(b, a) is same


def test_twins_of_one_day_are_two() -> None:
    assert p.same_patient(named("LE GALL", "Yann", "01/01/2020"), named("LE GALL", "Loïc", "01/01/2020")) is False


def test_numbers_with_a_wrong_key_equal_only_themselves() -> None:
    wrong = p.make([(p.NIR, make.NUMBER + "00")])
    assert p.same_patient(wrong, ODILE) is False
    assert p.same_patient(wrong, wrong) is True


# sets


def test_merged() -> None:
    subject, hprim = named("MARTINEZ-LEROY", "Odile", "14/07/1958"), named("Martinez-Leroy", "odile", "1958-07-14")
    (one,) = p.merged([subject, ODILE, hprim, p.Patient()])
    assert one.ids == ODILE.ids
    assert one.label == "MARTINEZ-LEROY Odile"
    assert len(p.merged([ODILE, LEA, subject])) == 2
    assert p.merged([]) == frozenset()


def test_the_order_of_documents_does_not_matter() -> None:
    all_of_them = [ODILE, LEA, named("NOIRMONT", "Léa", "02/02/1990"), named("MARTINEZ LEROY", "Odile", "14/07/1958")]
    assert len({p.merged(order) for order in itertools.permutations(all_of_them)}) == 1


@pytest.mark.parametrize(
    ("thread", "mail", "may"),
    [
        ([ODILE], [ODILE], True), ([ODILE, LEA], [ODILE], True), ([ODILE], [ODILE, LEA], False),
        ([ODILE], [LEA], False),
        ([ODILE], [], None), ([], [ODILE], None), ([ODILE], [named("MARTINEZ-LEROY")], None),
        ([ODILE, LEA], [named("DURAND")], False),
    ],
)  # fmt: skip
def test_may_join(thread: list[p.Patient], mail: list[p.Patient], may: bool | None) -> None:
    assert p.may_join(thread, mail) is may


def test_a_mail_and_its_documents() -> None:
    document = File("a.xml", "text/xml", make.cda(make.section("a")))
    subject = "Re: XDM/1.0/DDM+Bilan MARTINEZ-LEROY Odile 14/07/1958"
    found = read([document], subject)
    assert len(found.patients) == 1
    assert found.problems == ()
    other = read([document], "XDM/1.0/DDM+Bilan NOIRMONT Léa 02/02/1990")
    assert len(other.patients) == 2
    assert other.problems == ("several_patients",)
    assert p.may_join(found.patients, read([], subject).patients) is True
    assert p.may_join(found.patients, read([], "XDM/1.0/DDM+Bilan NOIRMONT Léa").patients) is False


@settings(max_examples=300, derandomize=True, deadline=None)
@given(st.data())
def test_every_answer_is_the_same_both_ways(data: st.DataObject) -> None:
    ids = st.tuples(st.sampled_from([p.NIR, p.NIA, "1.2", ""]), st.sampled_from([make.INS, OTHER_INS, "7"]))
    one = st.builds(
        p.make, st.lists(ids, max_size=2),
        st.lists(st.sampled_from(["DUPONT", "DUPONT MARTIN", "MARTIN", "é", ""]), max_size=2),
        st.lists(st.sampled_from(["Anna", "Anne Marie", "Marie"]), max_size=2),
        st.sampled_from(["19580714", "14/07/1958", "1990", ""]), st.sampled_from(["M", "F", ""]),
    )  # fmt: skip
    a, b = data.draw(one), data.draw(one)
    assert p.same_patient(a, b) is p.same_patient(b, a)
    assert p.same_patient(a, a) is not False
    if p.same_patient(a, b):
        assert len(p.merged([a, b])) <= 1
