"""A directory of some 20,000 invented people with many homonyms, and among them those whom the queries are about."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bridge.people.searching.entry import Entry, Workplace
from bridge.people.searching.folding import fold

HERE = Path(__file__).parent
SIZE = 20_000

_FAMILIES = """
Bernard Dubois Thomas Robert Richard Petit Durand Leroy Moreau Simon Laurent Lefebvre Michel Garcia David
Bertrand Roux Vincent Fournier Morel Girard André Lefèvre Mercier Dupont Lambert Bonnet François Martinez
Legrand Garnier Faure Rousseau Blanc Guerin Muller Henry Roussel Nicolas Perrin Morin Mathieu Clément Gauthier
Dumont Lopez Fontaine Chevalier Robin Masson Sanchez Gérard Nguyen Boyer Denis Lemaire Duval Joly Gautier Roger
Roche Roy Noël Meyer Lucas Meunier Jean Perez Marchand Dufour Blanchard Marie Barbier Brun Dumas Brunet Schmitt
Leroux Colas Colin Fernandez Pierre Renard Arnaud Rolland Caron Aubert Giraud Leclerc Vidal Bourgeois Renaud
Lemoine Picard Gaillard Philippe Leclercq Lacroix Fabre Dupuis Olivier Rodriguez Da-Silva Hubert Louis Charles
Guillot Rivière Le-Gall Guillaume Adam Rey Moulin Gonzalez Berger Lecomte Menard Fleury Deschamps Carpentier
Julien Benoit Paris Maillard Marchal Aubry Vasseur Le-Roux Renault Jacquet Collet Prevost Poirier Charpentier
Royer Huet Baron Dupuy Pons Paul Laine Carre Breton Remy Perrot Guyot Barre Marty Cousin Martin Martin Martin
Saint-Martin Martineau Marin Matin Le-Goff Legoff D'Almeida Ben-Salah Moretti Bailly Hamon Ollivier Lebreton
Delaunay Tessier Boucher Charpentier Wagner Abdallah Payet Hoarau Bordeaux Lyon
"""
_GIVEN = """
Marie Jean Pierre Michel Jeanne Philippe Alain Nathalie Isabelle Catherine Monique Jacques Sylvie Daniel Bernard
Patrick Christine Françoise Valérie Sandrine Nicolas Christophe Stéphane Julien Martine Céline David Laurent
Sébastien Thomas Alexandre Frédéric Véronique Thierry Aurélie Camille Éric Olivier Julie Maxime Émilie Pascal
Antoine Léa Guillaume Hélène Sophie Anne Laura Manon Romain Vincent Chloé Mathieu Lucie Anthony Emma Sarah Paul
Caroline Bruno Hugo Marine Marc Élodie Dominique Richard Martin Robert Louis Denis Jean-Pierre Anne-Marie
Jean-Luc Marie-Claire Anne-Sophie Karim Mohamed Fatima Mehdi Amina Nadia Inès Yanis Samir Leïla Quentin Florian
Mélanie Audrey Benoît Arnaud Gilles Hervé
"""
_TOWNS = """
BORDEAUX 33000, MERIGNAC 33700, PESSAC 33600, LYON 3E ARRONDISSEMENT 69003, LYON 06 69006, VILLEURBANNE 69100,
BRON 69500, PARIS 15 75015, PARIS 14E ARRONDISSEMENT 75014, PARIS 01 75001, MARSEILLE 08 13008,
MARSEILLE 5E ARRONDISSEMENT 13005, AIX EN PROVENCE 13100, NICE 06000, TOULOUSE 31000, MONTPELLIER 34000,
NIMES 30000, NANTES 44000, RENNES 35000, BREST 29200, QUIMPER 29000, VANNES 56000, LORIENT 56100,
ST BRIEUC 22000, ST MALO 35400, LE MANS 72000, TOURS 37000, ORLEANS 45000, LILLE 59000, ROUBAIX 59100,
DUNKERQUE 59140, LENS 62300, AMIENS 80000, ROUEN 76000, LE HAVRE 76600, CAEN 14000, REIMS 51100, TROYES 10000,
NANCY 54000, METZ 57000, STRASBOURG 67000, COLMAR 68000, MULHOUSE 68100, BESANCON 25000, DIJON 21000,
AUXERRE 89000, CHALON SUR SAONE 71100, BOURG EN BRESSE 01000, ANNECY 74000, CHAMBERY 73000, GRENOBLE 38000,
SAINT ETIENNE 42000, CLERMONT FERRAND 63000, LIMOGES 87000, BRIVE LA GAILLARDE 19100, POITIERS 86000,
LA ROCHELLE 17000, ANGOULEME 16000, PAU 64000, PERPIGNAN 66000, AVIGNON 84000, AJACCIO 20000, ST DENIS 93200,
ST DENIS 97400, MONTREUIL 93100, CRETEIL 94000, NEUILLY SUR SEINE 92200, ST CLOUD 92210,
ST MARTIN D HERES 38400, SAINT GERMAIN EN LAYE 78100
"""
_CRAFTS = """
Médecin|Médecine Générale (SM)
Médecin|Cardiologie et maladies vasculaires (SM)
Médecin|Ophtalmologie (SM)
Médecin|Psychiatrie (SM)
Médecin|Gynécologie-obstétrique (SM)
Médecin|Radio-diagnostic (SM)
Médecin|Anesthésie-réanimation (SM)
Médecin|Pédiatrie (SM)
Médecin|Chirurgie générale (SM)
Médecin|Médecine d'urgence (SM)
Infirmier|
Infirmier|
Masseur-Kinésithérapeute|
Pharmacien|
Chirurgien-Dentiste|
Sage-Femme|
Orthophoniste|
Aide-soignant|
"""
_HOUSES = """
CHU DE {}
CENTRE HOSPITALIER DE {}
CLINIQUE DES LILAS
CLINIQUE SAINT-MARTIN
CABINET MEDICAL
CABINET DU PARC
MAISON DE SANTE
EHPAD LES ACACIAS
HOPITAL NORD
"""
_ALONE = {"schneider", "quemeneur", "ponthieu"}  # of these only the beginning is asked for


@dataclass(frozen=True, slots=True)
class Query:
    """What is asked, who is meant; ``held``: it was written before the search, and not looked at meanwhile."""

    asked: str
    meant: str
    held: bool


def rows(name: str) -> Iterator[list[str]]:
    """The rows of a table, without its remarks."""
    for line in (HERE / name).read_text("utf-8").splitlines():
        if line and not line.startswith("#"):
            yield line.split(";")


def queries() -> list[Query]:
    """All queries."""
    return [
        Query(asked.removeprefix("*"), _ident(meant), asked.startswith("*")) for asked, meant in rows("queries.txt")
    ]


def _ident(meant: str) -> str:
    return f"mail:{meant}" if "@" in meant else f"rpps:10100000{int(meant):03}"


def known() -> list[Entry]:
    """Those whom the queries are about."""
    people = [
        Entry(
            _ident(number), "person", family, given, title, profession, (speciality,) if speciality else (),
            (_at(*place.split(", ")),), (box,) if box else (), (other,) if other else (),
        )
        for number, title, family, given, profession, speciality, place, box, other in rows("people.txt")
    ]  # fmt: skip
    services = [
        Entry(
            f"mail:{box}", "service", name, places=(_at(house, town, postcode),), boxes=(box,), organisation=house
        )
        for box, name, house, town, postcode in rows("services.txt")
    ]  # fmt: skip
    return people + services


def _at(house: str, town: str, postcode: str) -> Workplace:
    return Workplace(house, town, postcode)


def population(size: int = SIZE) -> list[Entry]:
    """The same ones every time. None of the invented crowd fits a query as well as who is meant by it."""
    chance = random.Random(11)
    wanted = known()
    names = {(_first(e.family), _first(e.given)) for e in wanted}
    places = {(_first(e.family), place.postcode[:2]) for e in wanted for place in e.places}
    crafts = {(_first(e.family), e.profession, e.specialities) for e in wanted}
    crowd: list[Entry] = []
    while len(crowd) < size:
        entry = _somebody(chance, 20_200_000_000 + len(crowd))
        family = _first(entry.family)
        alike = (
            family in _ALONE
            or (family, _first(entry.given)) in names
            or (family, entry.places[0].postcode[:2]) in places
            or (family, entry.profession, entry.specialities) in crafts
        )
        if not alike:
            crowd.append(entry)
    return crowd + wanted


def _first(name: str) -> str:
    return "".join(fold(name))


def _somebody(chance: random.Random, number: int) -> Entry:
    town, _, postcode = chance.choice(_TOWNS.replace("\n", " ").split(",")).strip().rpartition(" ")
    profession, _, speciality = chance.choice(_CRAFTS.strip().splitlines()).partition("|")
    house = chance.choice(_HOUSES.strip().splitlines()).format(town)
    family, given = chance.choice(_FAMILIES.split()).replace("-", " ").upper(), chance.choice(_GIVEN.split())
    box = f"{number}@medecin.mssante.example"
    return Entry(
        f"rpps:{number}", "person", family, given, "DR" if profession == "Médecin" else "", profession,
        (speciality,) if speciality else (), (_at(house, town, postcode),), (box,) if chance.random() < 0.3 else (),
    )  # fmt: skip
