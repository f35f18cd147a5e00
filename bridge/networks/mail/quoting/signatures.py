"""Where a mail's signature, its program's advertisement and its disclaimer begin. Pure.

Only what stands at the end is looked at, and only what no clinician would miss: when in doubt it stays. Source: RFC
3676 §4.3 for ``-- ``; what mail programs and operators write, French and English.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from bridge.networks.mail.quoting.marks import View

MOST_SIGNATURE = 25  # lines after "-- "
MOST_LOOSE = 12  # lines of a signature that nothing announces but its looks
MOST_TAIL = 120  # lines from the end in which a disclaimer is looked for

_DEVICE = (
    r"(?:i ?phone|i ?pad|mac|mobile|téléphone|smartphone|portable|appareil|android|galaxy|samsung|huawei|xiaomi|phone"
    r"|tablette|ordinateur|windows phone|outlook|yahoo|proton|orange|courrier|mail|k-9|thunderbird|nine"
    r"|bluemail|gmail"
    r"|zimbra|sfr|free|la ?poste)\b"
)
_PROGRAM = re.compile(
    rf"(?:envoyée? (?:de|depuis|à partir de|avec|via) "
    rf"(?:mon |ma |un |une |l'application |la messagerie sécurisée |le )?{_DEVICE}.{{0,80}}"
    r"|(?:obten(?:ez|ir)|télécharge[rz]) outlook .{0,40}"
    r"|provenance ?: courrier pour windows.{0,30}"
    rf"|sent (?:from|with|via|using) (?:my |the |a )?{_DEVICE}.{{0,60}}"
    r"|(?:get|download) outlook for .{0,40}"
    r"|veuillez excuser ma brièveté\.?|please excuse my brevity\.?"
    r"|(?:garanti sans virus|sans virus|virus-free|l'absence de virus).{0,90})$",
    re.I,
)
_LINK = re.compile(r"<(?:https?|mailto):[^<>]{0,400}>|\[(?:cid|image):?[^\[\]]{0,200}\]|https?://\S{1,400}", re.I)

# A disclaimer begins like one and says at least two of the things that disclaimers say, one of them a lawyer's.
_BEGINS = re.compile(
    r"(?:[*\W]{0,10}(?:avis|clause|mention|note|message|notice|avertissement|important|attention"
    r"|confidentialité|confidentiality"
    r"|disclaimer|legal|cet? (?:message|courriel|mail|e-mail|email|courrier|envoi|document)"
    r"|les? (?:informations?|contenu|présent)"
    r"|the (?:information|contents?)|this (?:message|e-?mail|communication|transmission)|si vous (?:avez reçu|n'êtes)"
    r"|if you (?:have received|are not)|pensez|please consider|avant d'imprimer|before printing|n'imprimez"
    r"|adoptons|l'intégrité"
    r"|en cas de réception par erreur|toute (?:utilisation|diffusion)|any (?:unauthori|use)|propulsé|messagerie))",
    re.I,
)
_LEGAL = (
    re.compile(r"(?:reçu|parvenu|transmis|adressé)\w{0,3}\b.{0,60}par erreur|erreur de (?:destinataire|transmission)"
               r"|pas (?:le|un|l'un des|la personne) ?destinataire|pas destinataire|réception par erreur"
               r"|received .{0,60}(?:in|by) (?:error|mistake)|not (?:the|an) (?:intended|named) (?:recipient"
               r"|addressee)", re.I),
    re.compile(r"(?:strictement|formellement|est) (?:interdit|prohib)|non autorisée?s?\b|strictly (?:prohibited"
               r"|forbidden)"
               r"|unauthori[sz]ed (?:use|disclosure|copying|review)|(?:is|are) prohibited", re.I),
    re.compile(r"déclin\w{1,6} (?:toute|sa) responsabilit|ne (?:peut|pourra|saurait"
               r"|sauraient) être (?:tenue?s? (?:pour )?)?responsable"
               r"|(?:no|not accept|accepts no|any) (?:liability|responsibility)|l'intégrité de ce|altéré"
               r"|falsifié", re.I),
    re.compile(r"n'imprime[zr]|avant d'imprimer|l'impression de ce|before printing|consider the environment", re.I),
    re.compile(r"messagerie(?:s)? (?:sécurisée|de santé)s? .{0,80}(?:mssanté|espace de confiance|santé)"
               r"|espace de confiance mssanté|mssanté.{0,60}(?:échange|opérateur|messagerie)", re.I),
)  # fmt: skip
_USUAL = (
    re.compile(r"confidenti[ae]l", re.I),
    re.compile(r"destinataires?|intended (?:recipient|only|solely)|addressee|usage exclusif"
               r"|à l'attention exclusive", re.I),
    re.compile(r"détrui|supprim|effac|averti|prévenir|aviser|informer l'expéditeur|l'expéditeur|delete|destroy"
               r"|notify|sender", re.I),
    re.compile(r"secret (?:médical|professionnel)|privileged|protégée?s? par", re.I),
    re.compile(r"virus|pièces? jointes?|attachments?", re.I),
)  # fmt: skip

_CLOSING = re.compile(
    r"(?:(?:bien |très |amicalement|très )?(?:confraternellement|cordialement|amicalement|sincèrement"
    r"|respectueusement)"
    r"(?: (?:à vous|vôtre))?|bonne (?:journée|soirée|réception)|salutations? .{0,30}|cdt|bien à vous"
    r"|confraternelles salutations"
    r"|(?:best|kind|warm|many)? ?regards|yours (?:sincerely|faithfully|truly)|sincerely|best wishes)[ ,.!]{0,3}$",
    re.I,
)
_REACH = re.compile(r"(?:\+33|\b0)[ .(0)]{0,5}[1-9](?:[ .-]?\d{2}){4}\b|[\w.-]@[\w-]|\bwww\.", re.I)
_SIGNED = re.compile(
    r"\b(?:rpps|finess|secrétariat|cedex)\b|\b\d{5} [A-ZÀ-Ý][\w'-]{2,}"
    r"|^(?:dr|docteur|pr|professeur|mme|m\.|mr|ide|interne|service|hôpital|centre hospitalier|ch[ru]?|clinique"
    r"|cabinet)\b",
    re.I,
)
_ASKS = re.compile(
    r"\b(?:rappel\w{0,6}|appel\w{0,6}|contact(?:er|ez)|joindre|prév\w{2,8}|re?voir|revu\w?|merci|faire|fait"
    r"|urgent\w?|patiente?s?|demain"
    r"|aujourd'hui|lundi|mardi|mercredi|jeudi|vendredi|samedi|dimanche|arrêt\w{0,3}|reprendre|poursuivre|call"
    r"|please|patients?"
    r"|tomorrow|today|stop|monday|tuesday|wednesday|thursday|friday|saturday|sunday)\b",
    re.I,
)
_CLINICAL = re.compile(
    r"\b\d+(?:[.,]\d+)? ?(?:[µm]?g|[µm]?mol|m?ui|ml|cl|dl|mmhg|g/l|mg/l|cp|gél|jours?|days?|%|°c|/min|bpm)\b"
    r"|[<>]=? ?\d|^(?:ps|nb|p\.s|n\.b)\b",
    re.I,
)
_NAME = re.compile(r"[A-ZÀ-Ý][\w'.-]{0,30}(?: [A-ZÀ-Ý][\w'.-]{0,30}){0,4}$")
_SENTENCE = re.compile(r"[?!;]$|\w{3,}[.:]$")


def begins(view: View, hints: frozenset[int]) -> int | None:
    """The place where what folds away begins, nothing following it; None if nothing does.

    ``hints`` are line numbers where the HTML side shows a signature. What is left is never empty.
    """
    for rule in (_program, _disclaimer, _delimiter, _after_closing):
        place = rule(view)
        if place is not None and _written(view, place):
            return place
    return _hinted(view, hints)


def _written(view: View, place: int) -> bool:
    return any(view.plain[:place])


def _program(view: View) -> int | None:
    """ "Envoyé de mon iPhone", "Obtenir Outlook pour Android", on the last one or two lines."""
    last = len(view) - 1
    for place in (last, last - 1, last - 2):
        if place < 0 or view.depth[place]:
            return None
        said = _LINK.sub("", " ".join(view.plain[place:])).strip(" .()[]*")
        if said and len(said) < 160 and _PROGRAM.match(said) and not _CLINICAL.search(said):
            return place - 1 if place and view.plain[place - 1] in {"--", "-- "} else place
    return None


def _disclaimer(view: View) -> int | None:
    """The last paragraph, if it is a disclaimer; a rule above it belongs to it."""
    first = len(view) - 1
    while first > 0 and view.plain[first - 1] and not view.depth[first - 1] and len(view) - first < MOST_TAIL:
        first -= 1
        if _is_rule(view.plain[first]):
            return first if _is_disclaimer(view.plain[first + 1 :]) else None
        if _BEGINS.match(view.plain[first]) and _is_disclaimer(view.plain[first:]):
            return _rule_above(view, first)
    if _is_rule(view.plain[-1]) and first == len(view) - 1:
        return None
    return _rule_above(view, first) if _is_disclaimer(view.plain[first:]) else None


def _is_disclaimer(lines: Sequence[str]) -> bool:
    said = " ".join(lines)[:6000]
    if not _BEGINS.match(said):
        return False
    legal = sum(bool(one.search(said)) for one in _LEGAL)
    return legal > 0 and legal + sum(bool(one.search(said)) for one in _USUAL) > 1


def _is_rule(line: str) -> bool:
    return len(line) > 2 and not line.strip("-_=*#~ ")


def _rule_above(view: View, place: int) -> int:
    above = place - 1
    while above >= 0 and place - above < 4 and not view.plain[above]:
        above -= 1
    return above if above >= 0 and _is_rule(view.plain[above]) else place


def _delimiter(view: View) -> int | None:
    """``-- `` on a line of its own, what follows being short and no clinical text."""
    for place in range(len(view) - 1, max(-1, len(view) - MOST_SIGNATURE - 2), -1):
        if view.plain[place] in {"--", "-- ", "---"} and not view.depth[place]:
            surely = view.plain[place] == "-- "
            return place if _looks_signed(view.plain[place + 1 :], MOST_SIGNATURE, surely) else None
    return None


def _after_closing(view: View) -> int | None:
    """What follows "Cordialement," and a name, if it is an address, a telephone number and the like."""
    for place in range(len(view) - 1, max(-1, len(view) - MOST_LOOSE - 4), -1):
        if _CLOSING.match(view.plain[place]) and not view.depth[place]:
            name = next((p for p in range(place + 1, len(view)) if view.plain[p]), None)
            if name is None or name + 1 >= len(view) or _REACH.search(view.plain[name]):
                return None
            rest = view.plain[name + 1 :]
            fits = _looks_signed([view.plain[name], *rest], MOST_LOOSE)
            return name + 1 if fits else None
    return None


def _hinted(view: View, hints: frozenset[int]) -> int | None:
    """Where the HTML side shows a signature, if it looks like one."""
    for place, number in enumerate(view.numbers):
        if (
            number in hints
            and _written(view, place)
            and _looks_signed(
                [line for line in view.plain[place:] if line not in {"--", "-- "}],
                MOST_SIGNATURE,
                view.plain[place] == "--",
            )
        ):
            return place
    return None


def _looks_signed(lines: Sequence[str], most: int, surely: bool = False) -> bool:
    """Few short lines, at least one of them a way to reach somebody, none a sentence, a wish or a clinical value.

    After the delimiter of RFC 3676 (``surely``) a title or a name is enough, and a motto may stand beside it.
    """
    written = [line for line in lines if line and not _is_rule(line)]
    if len(written) > most or any(len(line) > 90 or line.startswith("-") or _CLINICAL.search(line) for line in written):
        return False
    if any(_ASKS.search(line) for line in written):
        return False
    known = any(_REACH.search(line) or (surely and _SIGNED.search(line)) for line in written)
    if any(_SENTENCE.search(line) and not _REACH.search(line) for line in written):
        return surely and known
    return known or (surely and len(written) == 1 and bool(_NAME.match(written[0])))
