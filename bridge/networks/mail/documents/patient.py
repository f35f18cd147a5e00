"""Which patient a document speaks of, and whether two are the same: two patients never share a thread. Pure."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import date
from typing import Any

from bridge.networks.mail.documents.card import line

NIR = "1.2.250.1.213.1.4.8"
NIA = "1.2.250.1.213.1.4.9"
TEST_NIR = "1.2.250.1.213.1.4.10"
NATIONAL = frozenset({NIR, NIA, TEST_NIR})

_INS = re.compile(r"[0-9]{5}(?:[0-9]{2}|2[AB])[0-9]{6}(?:[0-9]{2})?")


@dataclass(frozen=True, slots=True)
class Patient:
    """A patient as one document names them; nothing of it is in a repr.

    ``ids`` are pairs (OID of who gave the number, number); ``families`` and ``givens`` are folded (see :func:`fold`);
    ``birth`` is ``YYYY-MM-DD`` or empty; ``sex`` is M, F or empty. ``label`` is the name as written, ``used`` the name
    in use where that is another one.
    """

    ids: frozenset[tuple[str, str]] = field(default=frozenset(), repr=False)
    families: frozenset[str] = field(default=frozenset(), repr=False)
    givens: frozenset[str] = field(default=frozenset(), repr=False)
    birth: str = field(default="", repr=False)
    sex: str = field(default="", repr=False)
    label: str = field(default="", repr=False, compare=False)
    used: str = field(default="", repr=False, compare=False)

    @property
    def ins(self) -> str | None:
        """The national number (INS), 13 or 15 characters as it came, if the document carries one."""
        return next((number for root, number in sorted(self.ids) if root in NATIONAL), None)

    @property
    def known(self) -> bool:
        """Whether there is anything to compare."""
        return bool(self.ids or self.families)


def make(
    ids: Iterable[tuple[str, str]] = (),
    families: Iterable[str] = (),
    givens: Iterable[str] = (),
    birth: str = "",
    sex: str = "",
    used: str = "",
) -> Patient:
    """A patient from raw values; the first family and given name are the ones shown, beside the name in use."""
    families, givens = [line(one, 100) for one in families], [line(one, 100) for one in givens]
    label = " ".join([*families[:1], *givens[:1]])
    kept = {(root.strip(), _number(root.strip(), number)) for root, number in ids if root.strip() and number.strip()}
    sex = sex.strip().upper()[:1]
    sex = sex if sex in ("M", "F") else ""
    used = line(used, 200)
    used = "" if fold(used) == fold(label) else used
    return Patient(frozenset(kept), _folded(families), _folded(givens), birth_date(birth), sex, label, used)


def _folded(names: Iterable[str]) -> frozenset[str]:
    return frozenset(fold(one) for one in names) - {""}


def _number(root: str, number: str) -> str:
    number = line(number, 100)
    return number.replace(" ", "").upper() if root in NATIONAL else number


def plain(patient: Patient) -> dict[str, Any]:
    """The patient as JSON values, for what is stored (sealed)."""
    values = asdict(patient)
    values["ids"] = sorted(map(list, patient.ids))
    return values | {"families": sorted(patient.families), "givens": sorted(patient.givens)}


def of_plain(values: Mapping[str, Any]) -> Patient:
    """The patient of such values."""
    ids = frozenset((str(root), str(number)) for root, number in values["ids"])
    families, givens = frozenset(values["families"]), frozenset(values["givens"])
    return Patient(ids, families, givens, values["birth"], values["sex"], values["label"], values.get("used", ""))


def fold(name: str) -> str:
    """A name for comparing: upper case, no accents, words separated by one space."""
    plain = unicodedata.normalize("NFKD", name.casefold().replace("œ", "oe").replace("æ", "ae"))
    letters = "".join(c for c in plain if not unicodedata.combining(c)).upper()
    return " ".join(re.findall(r"[^\W_]+", letters))


def birth_date(text: str) -> str:
    """A date as HL7 (``19790328…``), French (``28/03/1979``) or ISO, as ISO; empty if none.

    A year of two digits is no date here: 1925 and 2025 are different patients.
    """
    text = text.strip()[:40]
    if found := re.match(r"(\d{4})-?(\d{2})-?(\d{2})", text):
        year, month, day = found.groups()
    elif found := re.fullmatch(r"(\d{1,2})[/.-](\d{1,2})[/.-](\d{4})", text):
        day, month, year = found.groups()
    else:
        return ""
    try:
        return date(int(year), int(month), int(day)).isoformat()
    except ValueError:
        return ""


def french_date(iso: str) -> str:
    """``1979-03-28`` as ``28/03/1979``; anything else is returned as it is."""
    found = re.fullmatch(r"(\d{4})-(\d{2})-(\d{2})", iso)
    return f"{found[3]}/{found[2]}/{found[1]}" if found else iso


def identity(patient: Patient, birth: str = "") -> list[tuple[str, str]]:
    """Whose document it is, as a card's facts; ``birth``: the date as it is written where that is no clear date.

    A colleague may know the name in use only; the INS tells two patients of one name apart.
    """
    root, number = min(((root, number) for root, number in patient.ids if root in NATIONAL), default=("", ""))
    kind = {NIR: "NIR", NIA: "NIA", TEST_NIR: "NIR de test"}.get(root, "")
    wrong = ", clé inexacte" if len(number) == 15 and not valid_ins(number) else ""
    return [
        ("Patient", patient.label), ("Nom utilisé", patient.used),
        ("Sexe", {"F": "féminin", "M": "masculin"}.get(patient.sex, "")),
        ("Né(e) le", birth or french_date(patient.birth)), ("INS", f"{number} ({kind}{wrong})" if number else ""),
    ]  # fmt: skip


def ins_key(number: str) -> str:
    """The two check digits of the first 13 characters of an INS: 97 - (n mod 97), 2A read as 19, 2B as 18.

    Raises ValueError for what is no number. (The rule for Corsica is that of the NIR.)
    """
    digits = number.upper()[:13]
    if not _INS.fullmatch(digits) or len(digits) != 13:
        raise ValueError("not an INS")
    plain = digits[:5] + digits[5:7].replace("2A", "19").replace("2B", "18") + digits[7:]
    return f"{97 - int(plain) % 97:02d}"


def valid_ins(number: str) -> bool:
    """Whether it is an INS of 15 characters with the right key."""
    number = number.upper()
    return len(number) == 15 and _INS.fullmatch(number) is not None and ins_key(number) == number[13:]


def same_patient(a: Patient, b: Patient) -> bool | None:
    """True: the same; False: two patients, or data that contradict each other; None: cannot be told."""
    birth = None if not a.birth or not b.birth else a.birth == b.birth
    if birth is False:
        return False
    family, given = _agree(a.families, b.families), _agree(a.givens, b.givens)
    if (number := _same_number(a, b)) is not None:
        return number and given is not False  # one number, two first names: twins under one number, or an error
    if given is False or (family is False and not (birth and given)):
        return False
    traits = True if family and given and birth else None
    if (local := _same_id(a, b)) is None:
        return traits
    return True if local else (None if traits else False)


def _same_number(a: Patient, b: Patient) -> bool | None:
    """By the national number; None if they cannot be compared (one missing, or a NIR beside a provisional NIA)."""
    ours, theirs = _national(a), _national(b)
    if set(ours.values()) & set(theirs.values()):
        return True
    return False if ours.keys() & theirs.keys() else None


def _national(patient: Patient) -> dict[str, str]:
    """The 13 characters by kind (a test number counts as NIR); with a wrong key all 15, so it equals only itself."""
    found = {}
    for root, number in sorted(patient.ids):
        if root in NATIONAL:
            found["NIA" if root == NIA else "NIR"] = number[:13] if valid_ins(number) else number
    return found


def _same_id(a: Patient, b: Patient) -> bool | None:
    ours = {one for one in a.ids if one[0] not in NATIONAL}
    theirs = {one for one in b.ids if one[0] not in NATIONAL}
    if ours & theirs:
        return True
    return False if {root for root, _ in ours} & {root for root, _ in theirs} else None


def _agree(a: frozenset[str], b: frozenset[str]) -> bool | None:
    """One name in common: True; one word in common, or none known: None; else False."""
    if not a or not b:
        return None
    if a & b:
        return True
    words = [{word for name in names for word in name.split()} for names in (a, b)]
    return None if words[0] & words[1] else False


def merged(patients: Iterable[Patient]) -> frozenset[Patient]:
    """Several descriptions of one patient as one; those that are not surely the same stay apart."""
    found: list[Patient] = []
    for one in sorted((p for p in patients if p.known), key=lambda p: (-len(p.ids), -len(p.families), repr(p.label))):
        for index, other in enumerate(found):
            if same_patient(other, one):
                found[index] = _joined(other, one)
                break
        else:
            found.append(one)
    return frozenset(found)


def _joined(a: Patient, b: Patient) -> Patient:
    return Patient(
        a.ids | b.ids, a.families | b.families, a.givens | b.givens, a.birth or b.birth, a.sex or b.sex,
        a.label or b.label, a.used or b.used,
    )  # fmt: skip


def may_join(thread: Iterable[Patient], mail: Iterable[Patient]) -> bool | None:
    """Whether a mail about ``mail`` may join a thread about ``thread``.

    False: it names somebody who is surely none of the thread's patients. True: all of its patients are known there.
    None: one of the two names nobody, or it cannot be told.
    """
    there, here = list(thread), list(mail)
    if not there or not here:
        return None
    answers = [{same_patient(old, new) for old in there} for new in here]
    if any(answer == {False} for answer in answers):
        return False
    return True if all(True in answer for answer in answers) else None
