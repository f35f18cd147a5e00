"""The words by which mail programs announce a quotation, French and English first. Pure: patterns and nothing else.

No pattern here can backtrack far: each looks at a bounded piece of one line, or at a few lines joined.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

_MONTH = (
    r"(?:janv|févr?|fevr?|mars|avr|mai|juin|juil|août|aout|sept|oct|nov|déc|dec|jan|feb|mar|apr|may|jun|jul|aug|sep"
    r"|mär|okt|dez|gen|mag|giu|lug|ago|set|ott|dic|ene|abr|fev|out|maa|mei|mrt)"
    r"[a-zéûäç]{0,7}\.?"
)
DATE = re.compile(
    rf"\b\d{{1,2}}(?:[./-]\d{{1,2}}[./-]\d{{2,4}}|(?:er)?[ -]{_MONTH},?[ -]\d{{2,4}})\b"
    rf"|\b\d{{4}}[-/]\d{{2}}[-/]\d{{2}}\b|\b{_MONTH}[ -]\d{{1,2}}(?:st|nd|rd|th)?(?:,? |-)\d{{2,4}}\b"
    rf"|\b\d{{1,2}}\.? (?:de )?{_MONTH} (?:de )?\d{{4}}\b",
    re.I,
)
TIME = re.compile(r"\b\d{1,2} ?[:h] ?\d{2}\b", re.I)
ADDRESS = re.compile(r"[\w.+'=-]{1,64}@[\w-]{1,63}\.[\w.-]{1,190}")
SAYS = re.compile(r"\b(?:(?:a|ont) [ée]crit|wrote) ?: ?[-*_]{0,60}$", re.I)
ABROAD = re.compile(  # German, Dutch, Spanish, Portuguese, Italian
    r"(?:am\b.{5,200}\bschrieb\b.{1,120}|op\b.{5,200}\bschreef\b.{1,120}|el\b.{5,250}\bescribi[óo] ?"
    r"|em\b.{5,250}\bescreveu ?|il\b.{5,250}\bha scritto ?):$",
    re.I,
)
TOLD = ("écrit", "ecrit", "wrote", "schrieb", "schreef", "escribi", "escreveu", "ha scritto")  # in small letters
BEGINNINGS = frozenset("-_=*mM")  # of separators, and of "Message du …"
OPENS = re.compile(r"[-*_ ]{0,60}(?:le|on)\b", re.I)
OPENS_ABROAD = re.compile(r"(?:am|op|el|em|il)\b", re.I)
SOMEBODY = re.compile(
    r"(?:,|\d) (?:(?:le|la|les|un|une|mon|ma|son|sa|the|his|her|our|my) |l')[^,<@]{1,40} (?:a|ont|wrote)\b"
)
DASHED = re.compile(r"-{3,60} ?(.{2,300}) (?:a [ée]crit|wrote) ?:? ?-{3,60}$", re.I)
OLD_GMAIL = re.compile(r"\d{4}-\d{2}-\d{2} \d{1,2}:\d{2} (?:GMT|UTC)[^<]{1,120}<[^<>]{3,200}> ?:$")
QUOTING = re.compile(r"(?:quoting|citation de|en réponse à) .{1,200}:$", re.I)
FRAMED = re.compile(r"[-_=*]{2,80} ?([^-_=*].{2,200}?)[ :]{0,2}[-_=*]{2,80}$")
RULE = re.compile(r"(?:_{10,}|-{10,}|={10,}|\*{10,})$")
ORANGE = re.compile(r"message du ?:? ?\d{1,2}/\d{2}/\d{2,4}", re.I)
FIELD = re.compile(r"\*{0,2}([A-Za-zÀ-ÿ][A-Za-zÀ-ÿ' -]{0,20}?) ?\*{0,2} ?: ?\*{0,2} ?(.*)$")

ORIGINAL = {
    "message d'origine", "message original", "message initial", "mail original", "mail d'origine", "courriel original",
    "courriel d'origine", "e-mail d'origine", "e-mail original", "original message", "original mail", "original email",
    "réponse au message", "message précédent", "ursprüngliche nachricht", "mensaje original", "mensagem original",
    "messaggio originale", "oorspronkelijk bericht",
}  # fmt: skip
HANDED_ON = re.compile(
    r"(?:(?:début du )?(?:message|mail|courriel|e-mail) (?:transféré|réexpédié|transmis)"
    r"|(?:begin )?forwarded (?:message|mail|email)"
    r"|(?:transféré|réexpédié|forwarded) (?:par|by) .{1,120})$",
    re.I,
)
BARE_FORWARD = re.compile(r"(?:début du message (?:transféré|réexpédié)|begin forwarded message) ?:$", re.I)

LABELS: Mapping[str, str] = {
    "de": "from", "from": "from", "expéditeur": "from", "par": "from",
    "envoyé": "sent", "envoyé le": "sent", "sent": "sent", "date d'envoi": "sent",
    "date": "date", "le": "date",
    "à": "to", "a": "to", "to": "to", "pour": "to", "destinataire": "to", "destinataires": "to",
    "cc": "cc", "copie": "cc", "copie à": "cc", "copies": "cc", "cci": "bcc", "bcc": "bcc",
    "objet": "subject", "sujet": "subject", "subject": "subject",
    "importance": "importance", "priorité": "importance", "priority": "importance",
    "von": "from", "da": "from", "van": "from", "gesendet": "sent", "inviato": "sent", "enviado": "sent",
    "enviado el": "sent", "enviada em": "sent", "verzonden": "sent", "datum": "date", "data": "date", "fecha": "date",
    "an": "to", "para": "to", "aan": "to", "betreff": "subject", "oggetto": "subject", "asunto": "subject",
    "assunto": "subject", "onderwerp": "subject",
    "répondre à": "reply", "reply-to": "reply", "pièces jointes": "files", "attachments": "files",
}  # fmt: skip
