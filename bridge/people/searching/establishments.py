"""Hospitals, practices and other houses: how their names say what they are, and how people ask for them. Pure."""

from __future__ import annotations

from functools import lru_cache

from bridge.people.searching.crafts import asked_by, phrases_of, rows_of
from bridge.people.searching.folding import LONGEST, fold, listed, saint

_KEPT = 65_536
_OF_NO_USE = listed("de du des d la le les l en et a au aux sur sous service")

# word | phrases of names, with / between them | what people write
_HOUSES = """
chu | chu / chru / centre hospitalier universitaire / centre hospitalier regional / chr / hospices civils
/ assistance publique / ap hp / ap hm / hopitaux universitaires / ghu | chu / chru / hus
/ centre hospitalier universitaire
ch | ch / chi / centre hospitalier / centre hospitalier intercommunal / chs | ch / chi / centre hospitalier
hopital | hopital / hopitaux / ch / chi / chu / chru / chr / centre hospitalier / hospices civils
/ assistance publique / hospitalier | hopital / hopitaux / hosto / hosp / hop
clinique | clinique / polyclinique / hopital prive | clinique / polyclinique / clin
ehpad | ehpad / maison de retraite / residence | ehpad / maison de retraite / mdr
msp | msp / mspu / maison de sante / pole de sante / maison medicale / maison de sante pluriprofessionnelle | msp
/ mspu / maison de sante / maison medicale / pole de sante
cds | cds / centre de sante / dispensaire | cds / centre de sante / dispensaire
cabinet | cabinet | cabinet / cab
hcl | hcl / hospices civils de lyon | hcl / hospices civils / hospices civils de lyon
aphp | ap hp / aphp / assistance publique hopitaux de paris | aphp / ap hp / assistance publique
aphm | ap hm / aphm / assistance publique hopitaux de marseille | aphm / ap hm / assistance publique
ght | ght / groupement hospitalier de territoire | ght / groupement hospitalier
laboratoire | laboratoire / lbm / laboratoire de biologie | labo / laboratoire / lbm
pharmacie | pharmacie | pharmacie / pharma / officine
had | had / hospitalisation a domicile | had / hospitalisation a domicile
ssiad | ssiad / soins infirmiers a domicile | ssiad
smr | smr / ssr / soins de suite / soins medicaux et de readaptation / centre de reeducation | smr / ssr
/ soins de suite / centre de reeducation
cmp | cmp / centre medico psychologique | cmp
urgences | urgences / urgence / samu / smur | urgences / urg / urgence / sau / samu / smur
maternite | maternite | maternite / mater
secretariat | secretariat | secretariat / secretaire
"""

_NAMES = [(key, phrase) for key, names, _ in rows_of(_HOUSES) for phrase in phrases_of(names)]


ASKED = asked_by(_HOUSES)
"""How people ask: the words of a phrase -> the words that are meant."""


@lru_cache(_KEPT)
def house_words(name: str) -> frozenset[str]:
    """The words under which an establishment or a service is looked for: those of its name, its kind, its initials."""
    words = saint(fold(name))
    whole = f" {' '.join(words)} "
    count = [word for word in words if word not in _OF_NO_USE]
    found = {*count, *(key for key, phrase in _NAMES if f" {phrase} " in whole)}
    if len(count) > 2:
        found.add("".join(word[0] for word in count)[:LONGEST])
    return frozenset(found)
