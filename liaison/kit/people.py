"""The invented people of the kit: users of the vendor's product, and colleagues elsewhere who answer."""

from __future__ import annotations

from dataclasses import dataclass

from bridge.model import Address, Person

COLLEAGUES = "colleagues"
"""The network of everybody who is not in the vendor's product."""


@dataclass(frozen=True, slots=True)
class Invented:
    """Somebody of the kit's directory; ``account`` is their id among the colleagues, empty for users of the product."""

    rpps: str
    name: str
    profession: str
    place: str
    account: str = ""

    @property
    def person(self) -> Person:
        """As the directory has them."""
        addresses = (Address(COLLEAGUES, self.account),) if self.account else ()
        return Person(f"rpps:{self.rpps}", self.name, self.profession, self.place, addresses)


USERS = (
    Invented("10001002027", "Cléo Petit", "Pharmacien", "Cabinet du Parc, Annecy"),
    Invented("10001003040", "Dan Moreau", "Cardiologue", "Hôpital Nord, Marseille"),
)
BEN = Invented("10001001014", "Ben Durand", "Infirmier", "Clinique des Lilas, Grenoble", "ben")
GAEL = Invented("10001006079", "Gaël Vincent", "Chirurgien", "CH de Valence", "gael")
NOBODY = Invented("10001009118", "Jeanne Faure", "Urgentiste", "Cabinet du Parc, Annecy")
"""In the directory, reached by nobody: who writes to her is refused."""
EVERYBODY = (*USERS, BEN, GAEL, NOBODY)

FUNCTION = "function:avis-cardio"
"""A function that Ben has taken, day and night."""
FUNCTION_NAME = "Avis cardiologie"
ROTA = f"""
functions:
  avis-cardio:
    name: {FUNCTION_NAME}
    profession: Avis
    place: {BEN.place}
    members: {{ben: "rpps:{BEN.rpps}"}}
    shifts:
      - {{who: ben, days: daily, from: 00:00, to: 00:00}}
"""
