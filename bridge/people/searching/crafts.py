"""Professions and specialities: how labels name them, and how people ask for them. Pure.

Both sides are brought to the same stems (``cardiologue`` and ``cardiologie`` are ``cardiolog``). Where people ask with
another word than the label has, a row of ``_CRAFTS`` says so. Labels are those of the national tables G15
(professions) and R38 (specialities of physicians).
"""

from __future__ import annotations

import re
from functools import lru_cache

from bridge.people.searching.folding import fold, listed

_KEPT = 65_536
_ENDINGS = (
    (re.compile(r"(log)(?:i|ie|ies|is|ist|iste|istes|u|ue|ues|iq|iqu|ique|iques)$"), r"\1"),
    (re.compile(r"(iatr)(?:e|es|i|ie|ies|iq|iqu|ique|iques)$"), r"\1"),
    (re.compile(r"(therap)(?:i|ie|ies|eu|eut|eute|eutes|eutiq|eutique)$"), r"\1"),
    (re.compile(r"(reanimat)(?:e|eu|eur|eurs|ric|rice|rices|i|io|ion)$"), r"\1"),
    (re.compile(r"(?<=....)(i)(?:e|es|s|st|ste|stes|en|ens|enn|enne|ennes)$"), r"\1"),
    (re.compile(r"(?<=..)(i)er(?:e|es|s)?$"), r"\1er"),
    (re.compile(r"(?<=..)t(?:rice|rices|eurs)$"), "teur"),
    (re.compile(r"(?<=...)(?:ique|iques)$"), "iq"),
    (re.compile(r"(?<=....)(?:e|s|es)$"), ""),
)
_OF_NO_USE = listed("de du des d da la le les l en et a au aux sm scd pac ext option qualifie specialiste")

# stem | phrases of labels, with / between them | what people write
_CRAFTS = """
generalist | medecine generale | mg / mt / md / generaliste / omnipraticien / medecin generaliste / medecin traitant
/ medecine generale / med generaliste
orl | oto rhino laryngologie / o r l | orl / oto rhino / oto rhino laryngologiste / otorhino
radiolog | radio diagnostic / radiologie / imagerie medicale | radio / radiologue / radiologie / imagerie / scanner
/ irm / echo / echographie / radiodiagnostic
gynecolog | gynecologie / gynecologie obstetrique | gyneco / gyn / gynecologue obstetricien
obstetric | obstetrique | obstetricien / obstetricienne / obstetrique / accoucheur
ophtalmolog | ophtalmologie | ophtalmo / ophta / oph / ophtalmologiste / oculiste / opthalmo
kinesitherap | masseur kinesitherapeute | kine / kines / mk / mkde / mkdl / masseur kine / physio
infirmier | infirmier | ide / idel / inf / infi / ipa / iade / ibode / infirmiere liberale / infirmier liberal
dentist | chirurgien dentiste | dentiste / dent / chir dent / chirurgien dentiste
orthodont | orthopedie dento faciale | orthodontiste / orthodontie / odf / orthodontist
sagefemme | sage femme | sage femme / sages femmes / sf / maieuticien / maieuticienne
anesthesi | anesthesie reanimation | anesth / anesthesiste / mar / aar / anesthesiste reanimateur
reanimat | reanimation / anesthesie reanimation / medecine intensive | rea / reanimateur / reanimation / usi
/ soins intensifs
urgent | medecine d urgence / urgences / urgence | urgences / urgence / urgentiste / urg / smur / samu / sau
psych | psychiatrie / psychologue / psychotherapeute / infirmier psychiatrique | psy / psycho / psychi
geriatr | geriatrie / gerontologie | geriatre / gerontologue / gerontologie / gerontologist
oncolog | oncologie / cancerologie | onco / oncologue / cancerologue / cancerologie / cancero / chimio
/ chimiotherapie
radiotherap | radiotherapie | radiotherapeute / radiotherapie / rayons
gastroenterolog | gastro enterologie / hepatologie | gastro / hepato / hge / gastroenterologue / gastro enterologue
/ hepatologue
cardiolog | cardiologie | cardio / cardiologue
pneumolog | pneumologie | pneumo / pneumologue
dermatolog | dermatologie | dermato / derm / dermatologue / dermatologiste
endocrinolog | endocrinologie / diabetologie | endocrino / endoc / diabeto / diabetologue / endocrinologue
nutrition | nutrition / dieteticien | nutritionniste / nutrition
rhumatolog | rhumatologie | rhumato / rhumatologue
nephrolog | nephrologie | nephro / dialyse / nephrologue
hematolog | hematologie | hemato / hematologue
neurolog | neurologie | neuro / neurologue
neurochirurgi | neurochirurgie | neurochir / nch / neurochirurgien
orthopedi | chirurgie orthopedique / orthopediste | ortho / orthopediste / orthopedie / traumato / traumatologue
/ chir ortho / chirurgien orthopediste
urolog | urologie / chirurgie urologique | uro / urologue
visceral | chirurgie viscerale / chirurgie digestive / viscerale et digestive | visceral / digestif / chir dig
/ chir visc / chirurgien visceral / chirurgien digestif
chirurgi | chirurgie | chir / chirurgien / chirurgienne / chirurgie
plastiq | chirurgie plastique | plasticien / plasticienne / chirurgien plasticien / esthetique / chir plast
vasculair | chirurgie vasculaire / medecine vasculaire / angeiologie | angio / angiologue / phlebologue / vasculaire
travail | medecine du travail | medecin du travail / medecine du travail / med trav / sante au travail
biolog | biologie medicale / technicien de laboratoire | biolo / biologiste / labo / laboratoire / bio
readaptation | medecine physique et de readaptation / medecine physique et readaptation | mpr / reeducation
/ readaptation / reeducateur
nucleair | medecine nucleaire | nucleaire / scinti / scintigraphie
pediatr | pediatrie | pediatre / ped / pedia
pharmaci | pharmacien | pharma / pharmacie / pharmacien / officine / pharmacienne
podolog | pedicure podologue | podo / pedicure / podologue
orthophoni | orthophoniste | orthophoniste / orthophonie / orthophon
audioprothesi | audioprothesiste | audio / audioproth / audioprothesiste / appareil auditif
optici | opticien lunetier | opticien / opticienne / lunettes
dietetici | dieteticien | diet / dieteticien / dietetique / dieteticienne
ergotherap | ergotherapeute | ergo / ergotherapeute
psychomotrici | psychomotricien | psychomot / psychomotricien / psychomotricite
aidesoignant | aide soignant | as / aide soignant / aide soignante / aides soignants
ambulanci | ambulancier | ambulance / ambulancier / ambulances
social | assistant de service social | as sociale / assistante sociale / assistant social
/ assistante de service social
manipulateur | manipulateur | manip / manip radio / manipulateur radio / mer / manipulatrice radio
internist | medecine interne | interniste / medecine interne / med interne
infectiolog | maladies infectieuses | infectio / infectiologue / infectiologie / maladies infectieuses / smit
allergolog | allergologie | allergo / allergologue
palliatif | soins palliatifs / medecine palliative | palliatif / soins palliatifs / usp
addictolog | addictologie | addicto / addictologue
publiq | sante publique | sante publique / medecin de sante publique / dim
osteopath | osteopathe | osteo / osteopathe
"""


def stem(word: str) -> str:
    """A word of a label, or the beginning of one, without what changes from a craft to those who have it."""
    for ending, left in _ENDINGS:
        short = ending.sub(left, word)
        if short != word:
            return short
    return word


def rows_of(text: str) -> list[list[str]]:
    """A table in which ``|`` stands between columns; a line that begins with ``/`` goes on with the one before it."""
    lines = text.strip().replace("\n/", " /").splitlines()
    return [[cell.strip() for cell in line.split("|")] for line in lines]


def phrases_of(cell: str) -> list[str]:
    """The phrases of a cell, between which ``/`` stands."""
    return [phrase.strip() for phrase in cell.split("/") if phrase.strip()]


_LABELS = [(key, phrase) for key, labels, _ in rows_of(_CRAFTS) for phrase in phrases_of(labels)]


def asked_by(table: str) -> dict[tuple[str, ...], frozenset[str]]:
    """The words of each phrase in the last column of a table (see :func:`rows_of`) -> the keys of the first one."""
    known: dict[tuple[str, ...], frozenset[str]] = {}
    for key, _, forms in rows_of(table):
        for form in phrases_of(forms):
            words = tuple(form.split())
            known[words] = known.get(words, frozenset()) | {key}
    return known


ASKED = asked_by(_CRAFTS)
"""How people ask: the words of a phrase -> the stems that are meant."""


@lru_cache(_KEPT)
def craft_words(label: str) -> frozenset[str]:
    """The stems under which a profession or a speciality is looked for."""
    words = fold(label)
    whole = f" {' '.join(words)} "
    found = {stem(word) for word in words if word not in _OF_NO_USE}
    return frozenset(found | {key for key, phrase in _LABELS if f" {phrase} " in whole})
