"""Towns as people call them, and departments by name. Pure."""

from __future__ import annotations

from bridge.people.searching.crafts import rows_of
from bridge.people.searching.folding import fold, listed, saint

# as it is indexed | what people write
_CALLED = """
bordeaux | bdx, bx, bordo
toulouse | tlse, tls, toulouz
montpellier | mtp, mpl, montpel
marseille | mrs, marseilles, mars
lyon | lyons, lugdunum
paris | paname
strasbourg | stras, sxb, strasb, strg
grenoble | gre, grenob
clermontferrand | clfd, cfd, clermont fd, clermont fed, clermont ferrand
saintetienne | sainte, st e, st et, ste, saint e
aixenprovence | aix en p, aix en pce, aix en pvce
lehavre | lh
lille | lil
nantes | nts
rennes | rns
perpignan | perpi, perpig
vandoeuvrelesnancy | vandoeuvre
boulognebillancourt | boulogne b, boulbi
saintdenis | st d
saintbrieuc | st b, st br
villeurbanne | villeurb
besancon | besac
brivelagaillarde | brive
bourgenbresse | bourg
chalonsursaone | chalon
laroche | lrsy
larochelle | lr
"""

GREAT = listed(
    "paris marseille lyon toulouse nice nantes montpellier strasbourg bordeaux lille rennes reims toulon grenoble "
    "dijon angers nimes villeurbanne brest limoges tours amiens perpignan metz besancon orleans rouen caen nancy"
)
"""Words that mean a great town rather than somebody's name."""

_DEPARTMENTS = """
01 ain, 02 aisne, 03 allier, 04 alpes de haute provence, 05 hautes alpes, 06 alpes maritimes, 07 ardeche, 08 ardennes,
09 ariege, 10 aube, 11 aude, 12 aveyron, 13 bouches du rhone, 14 calvados, 15 cantal, 16 charente, 17 charente maritime,
18 cher, 19 correze, 2a corse du sud, 2b haute corse, 2a corse, 2b corse,
21 cote d or, 22 cotes d armor, 23 creuse, 24 dordogne, 25 doubs,
26 drome, 27 eure, 28 eure et loir, 29 finistere, 30 gard, 31 haute garonne, 32 gers, 33 gironde, 34 herault,
35 ille et vilaine, 36 indre, 37 indre et loire, 38 isere, 39 jura, 40 landes, 41 loir et cher, 42 loire,
43 haute loire, 44 loire atlantique, 45 loiret, 46 lot, 47 lot et garonne, 48 lozere, 49 maine et loire, 50 manche,
51 marne, 52 haute marne, 53 mayenne, 54 meurthe et moselle, 55 meuse, 56 morbihan, 57 moselle, 58 nievre, 59 nord,
60 oise, 61 orne, 62 pas de calais, 63 puy de dome, 64 pyrenees atlantiques, 65 hautes pyrenees,
66 pyrenees orientales, 67 bas rhin, 68 haut rhin, 69 rhone, 70 haute saone, 71 saone et loire, 72 sarthe, 73 savoie,
74 haute savoie, 75 paris, 76 seine maritime, 77 seine et marne, 78 yvelines, 79 deux sevres, 80 somme, 81 tarn,
82 tarn et garonne, 83 var, 84 vaucluse, 85 vendee, 86 vienne, 87 haute vienne, 88 vosges, 89 yonne,
90 territoire de belfort, 91 essonne, 92 hauts de seine, 93 seine saint denis, 94 val de marne, 95 val d oise,
971 guadeloupe, 972 martinique, 973 guyane, 974 reunion, 974 la reunion, 974 ile de la reunion, 976 mayotte
"""


def _asked() -> dict[tuple[str, ...], frozenset[str]]:
    known: dict[tuple[str, ...], frozenset[str]] = {}
    for town, forms in rows_of(_CALLED):
        for words in map(saint, map(fold, forms.split(","))):
            known[words] = known.get(words, frozenset()) | {town}
    for item in _DEPARTMENTS.replace("\n", " ").split(","):
        code, *name = item.split()
        known[tuple(name)] = known.get(tuple(name), frozenset()) | {code}
    return known


ASKED = _asked()
"""How people ask: the words of a phrase -> the town, or the code of the department, that is meant."""
