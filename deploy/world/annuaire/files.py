"""Writes the public files of a made-up country: activities, specialities, mailboxes; deterministic by seed and day.

A later ``day`` has the same people but for a few who are gone, new or changed. Dirt comes with it: lines twice, fields
that are missing, odd characters, a field with a separator, a mailbox of several people, one of nobody.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import TextIO

from deploy.world.annuaire import tables
from deploy.world.annuaire.drawing import Urn, coded, pairs, rare_names, towns, written
from deploy.world.annuaire.headers import ACTIVITY_HEADER, KNOW_HOW_HEADER, MAILBOX_HEADER

_NAMES = {
    "A": ("PS_LibreAcces_Personne_activite", ACTIVITY_HEADER), "K": ("PS_LibreAcces_SavoirFaire", KNOW_HOW_HEADER),
    "M": ("Extraction_Correspondance_MSSante", MAILBOX_HEADER),
}  # fmt: skip
_PERSONAL = 0.85  # of the mailboxes; the others are those of organisations
_MOVES = 0.002  # of the people who are gone, and of those who are changed, from one day to the next
_SHARING = 997  # of so many people one has a mailbox that is somebody else's, too
_SAINTS = tables.SAINTS.split()


@dataclass(frozen=True, slots=True)
class Country:
    """How large it is; ``final_bar``: every line of the activities ends in one more ``|``."""

    people: int
    boxes: int
    seed: int = 1
    final_bar: bool = True


@dataclass(frozen=True, slots=True)
class Site:
    """A structure: a name, its FINESS or SIRET, and where it is."""

    name: str
    finess: str
    siret: str
    town: str
    postcode: str
    department: str


@dataclass(frozen=True, slots=True)
class _Somebody:
    kind: str
    number: str
    family: str
    given: str
    title: str
    profession: tuple[str, str]
    speciality: tuple[str, str]
    sites: tuple[Site | None, ...]
    has_box: bool

    @property
    def who(self) -> list[str]:
        return [self.kind, self.number, self.kind + self.number]


class _Draws:
    """All urns, and who is drawn from them."""

    def __init__(self, country: Country) -> None:
        self.random = Random(country.seed)
        self.country = country
        self._families, self._given = pairs(tables.FAMILIES), pairs(tables.GIVEN)
        self._rare = rare_names(self.random, min(90_000, 1000 + country.people))
        self._towns = towns(self.random)
        self._professions, self._specialities = coded(tables.PROFESSIONS), coded(tables.SPECIALITIES)
        self._services = tables.SERVICES.split()
        self.sites: list[Site] = [self._site(n) for n in range(max(20, country.people // 25))]
        self._spread = Urn(self.sites, [1 / (n % 5000 + 3) for n in range(len(self.sites))])

    def _site(self, number: int) -> Site:
        town, postcode, department = self._towns.draw(self.random)
        name = self.random.choice((
            f"CH DE {town}", f"CLINIQUE SAINT-{self.random.choice(_SAINTS)}", f"CABINET DU DR {self.family()}",
            f"PHARMACIE {self.family()}", f"EHPAD LES {self._rare.draw(self.random)}S", f"MAISON DE SANTE DE {town}",
            f"CABINET INFIRMIER {self.family()}", f"LABORATOIRE {self.family()}", f"CHU {town}",
        )).upper()  # fmt: skip
        finess = f"{department[:2]}{number % 10_000_000:07d}" if number % 3 else ""
        siret = "" if finess else f"{number + 30_000_000_000_000:014d}"
        return Site(name, finess, siret, town.replace("-", " ").upper(), postcode, department)

    def family(self) -> str:
        urn = self._families if self.random.random() < 0.42 else self._rare
        return written(urn.draw(self.random))

    def somebody(self, number: int) -> _Somebody:
        random = self.random
        place = number * 7919 % 900_000_007
        rpps = random.random() < 0.97
        profession = self._professions.draw(random)
        doctor = profession[0] == "10"
        families = self.family() if random.random() > 0.05 else f"{self.family()} {self.family()}"
        sites = tuple(self._spread.draw(random) for _ in range(random.choices((1, 2, 3), (88, 9, 3))[0]))
        return _Somebody(
            "8" if rpps else "0", luhn(10_000_000_00 + place) if rpps else f"{place:09d}", families,
            self._given.draw(random).upper(), random.choice(("DR", "DR", "PR") if doctor else ("M", "MME")), profession,
            self._specialities.draw(random) if doctor else ("", ""),
            sites if random.random() < 0.9 else (None,),
            random.random() < self.country.boxes * _PERSONAL / self.country.people or number % _SHARING == 0,
        )  # fmt: skip

    def service(self, number: int) -> tuple[str, Site, str]:
        """An organisation's mailbox: address, structure, service."""
        site = self.sites[number * 31 % len(self.sites)]
        service = self._services[number % len(self._services)]
        domain = "".join(c for c in site.name.lower() if c.isalnum())[:24] or "structure"
        return f"{service}.{number}@{domain}.mssante.fr", site, service.replace("-", " ").upper()


def luhn(number: int) -> str:
    """Ten digits with their check digit."""
    total = 0
    for place, digit in enumerate(reversed(f"{number:010d}")):
        total += sum(divmod(int(digit) * (2 - place % 2), 10))
    return f"{number:010d}{-total % 10}"


def write(folder: Path, country: Country, day: int = 0, hour: str = "0230") -> list[Path]:
    """Write the files of a day into a folder (about 350 bytes a person); gives their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    generated = f"202511{10 + day:02d}{hour}"
    paths = {kind: folder / f"{name}_{generated}.txt" for kind, (name, _) in _NAMES.items()}
    with ExitStack() as stack:
        files = {kind: stack.enter_context(path.open("w", 1 << 18, encoding="utf-8")) for kind, path in paths.items()}
        for kind, (_, header) in _NAMES.items():
            files[kind].write(header + ("|\n" if kind == "A" and country.final_bar else "\n"))
        _write(files, country, day)
    return list(paths.values())


def _write(files: Mapping[str, TextIO], country: Country, day: int) -> None:
    draws, moves = _Draws(country), Random(country.seed + 1_000_003 * day)
    bar = "|\n" if country.final_bar else "\n"
    for number in range(country.people):
        one = draws.somebody(number)
        dirt = draws.random.random()
        if day and moves.random() < _MOVES * day:
            if moves.random() < 0.3:
                continue
            one = _moved(one, draws)
        for line in _activities(one):
            files["A"].write(_dirty(line, dirt) + bar)
        if one.speciality[0]:
            kind = "C", "Civil", "S", "Spécialité ordinale"
            skill = *one.who, one.family, one.given, *one.profession, *kind, *one.speciality
            files["K"].write("|".join(skill) + "\n")
        if one.has_box:
            for line in _boxes(one, number):
                files["M"].write(line + "\n")
    for number in range(int(country.boxes * (1 - _PERSONAL))):
        files["M"].write(_service(*draws.service(number)) + "\n")
    files["M"].write("PER|nobody@medecin.mssante.fr" + "|" * 29 + "\n")


def _moved(one: _Somebody, draws: _Draws) -> _Somebody:
    """Works somewhere else now; nothing is drawn for it, so that the others stay who they are."""
    return replace(one, sites=(draws.sites[int(one.number[-6:-1]) % len(draws.sites)],))


def _activities(one: _Somebody) -> Iterator[str]:
    for site in one.sites:
        fields = [""] * 56
        fields[:3] = one.who
        fields[3:7] = one.title, one.title, "M", "Monsieur"
        fields[7:13] = one.family, one.given, *one.profession, "C", "Civil"
        fields[13:19] = "S", "Spécialité ordinale", *one.speciality, "L", "Libéral"
        if site is not None:
            fields[19:26] = (
                site.siret,
                site.siret[:9],
                site.finess,
                site.finess,
                f"R{site.finess or site.siret}",
                site.name,
                "",
            )
            fields[28:33] = str(len(site.name)), "", "R", "Rue", "DE LA REPUBLIQUE"
            fields[34:40] = f"{site.postcode} {site.town}", site.postcode, site.postcode, site.town, "99000", "France"
            fields[40:45] = "0102030405", "", "", "contact@exemple.invalid", site.department
        fields[47:50] = "ARS", "SA07", "Cabinet individuel"
        fields[54:56] = "GENR01", "Activité standard de soin ou de pharmacien"
        yield "|".join(fields)


def _dirty(line: str, dirt: float) -> str:
    if dirt < 0.003:
        return f"{line}\n{line}"  # twice
    if dirt < 0.0035:
        return line.replace("|", "|\u00a0 ", 9).replace("E", "É\u200b", 1)
    if dirt < 0.0038:
        fields = line.split("|")
        fields[2] = ""  # the national id
        return "|".join(fields)
    if dirt < 0.0039:
        return line.replace("Rue", "Ru|e")
    return line


def _boxes(one: _Somebody, number: int) -> Iterator[str]:
    fields = [""] * 31
    local = f"{one.given}.{one.family}".lower().replace(" ", "-").replace("'", "")
    domain = ("medecin", "pro", "infirmier", f"chu{number % 40}", f"ght{number % 900}")[number % 5]
    fields[0:5] = "PER", f"{local}.{number}@{domain}.mssante.fr", *one.who
    if number % _SHARING == 0:
        fields[1] = f"cabinet.partage{number // _SHARING // 2}@pro.mssante.fr"
    if number % 501 == 0:
        fields[1] = fields[1].upper()
    fields[8:18] = one.title, one.family, one.given, "C", "Civil", *one.profession, *one.speciality, "O"
    site = one.sites[0]
    if site is not None and number % 3 == 0:
        fields[5:7] = ("1", site.finess) if site.finess else ("3", site.siret)
        fields[18] = site.name
        fields[27:31] = f"{site.postcode} {site.town}", site.postcode, site.department, "FRANCE"
    yield "|".join(fields)
    if number % 40 == 0:
        fields[1] = f"{local}.{number}b@{domain}.mssante.fr"
        yield "|".join(fields)


def _service(address: str, site: Site, service: str) -> str:
    fields = [""] * 31
    fields[0:2] = "ORG", address
    fields[5:8] = *(("1", site.finess) if site.finess else ("3", site.siret)), service
    fields[17:19] = "O", site.name
    fields[27:31] = f"{site.postcode} {site.town} CEDEX", site.postcode, site.department, "FRANCE"
    return "|".join(fields)
