"""What people read of a document that could not be shown, French first. Pure."""

from __future__ import annotations

REFUSED = "refused: "
UNREADABLE = "unreadable: "

_KEPT = ("L'original reste joint.", "The original stays attached.")
_ZIP = (
    "Archive refusée : sa structure est dangereuse. Demandez à l'expéditeur de la renvoyer.",
    "Archive refused: its structure is dangerous. Ask the sender to send it again.",
)
_XML = (
    "Document refusé : son contenu XML est dangereux. Demandez à l'expéditeur de le renvoyer en PDF.",
    "Document refused: its XML is dangerous. Ask the sender for a PDF.",
)
_SIZE = (
    "Document trop volumineux pour être affiché ici. Ouvrez l'original.",
    "Document too large to be shown here. Open the original.",
)

WORDS: dict[str, tuple[str, str]] = {
    "zip_nested": (
        "Une archive dans l'archive n'a pas été ouverte. Ouvrez-la vous-même si vous l'attendiez.",
        "An archive within the archive was not opened. Open it yourself if you expected it.",
    ),
    "not_all_shown": (
        "Une partie de ce mail n'est peut-être pas affichée : voir le message d'origine.",
        "A part of this mail may not be shown: see the original message.",
    ),
    "xml_dtd": _XML,
    "apicrypt_v1": (
        "Message chiffré par Apicrypt v1 : Liaison ne peut pas l'ouvrir. Demandez un envoi par MSSanté (Apicrypt v2).",
        "Encrypted with Apicrypt v1: Liaison cannot open it. Ask for a mail through MSSanté (Apicrypt v2).",
    ),
    "xdm_size": (
        "La taille d'un document ne correspond pas à sa description. Vérifiez auprès de l'expéditeur.",
        "The size of a document differs from its description. Check with the sender.",
    ),
    "xdm_hash": (
        "Un document ne correspond pas à son empreinte : il a changé depuis l'envoi. Vérifiez auprès de l'expéditeur.",
        "A document does not match its hash: it has changed since. Check with the sender.",
    ),
    "xdm_document_missing": (
        "Un document annoncé manque dans l'archive. Demandez-le à l'expéditeur.",
        "A document that is announced is missing. Ask the sender for it.",
    ),
    "xdm_unlisted": (
        "L'archive contient un fichier que sa description ne cite pas.",
        "The archive holds a file that its description does not name.",
    ),
    "xdm_replaces": (
        "Ce document annule et remplace un envoi précédent.",
        "This document replaces an earlier one.",
    ),
    "hprim_flag_disagrees": (
        "Un indicateur du laboratoire et les valeurs de référence se contredisent. Vérifiez l'original.",
        "A flag of the laboratory and the reference range disagree. Check the original.",
    ),
    "several_patients": (
        "Ce message parle de plusieurs patients. Vérifiez à qui appartient chaque document.",
        "This message speaks of several patients. Check whose document each one is.",
    ),
    "cda_elsewhere": (
        "Le contenu du document n'est pas joint mais ailleurs : il n'a pas été chargé. Demandez-le à l'expéditeur.",
        "The content is not attached but elsewhere: it was not loaded. Ask the sender for it.",
    ),
    "hl7_elsewhere": (
        "Un document du message HL7 n'est pas joint mais ailleurs : il n'a pas été chargé. Demandez-le à l'expéditeur.",
        "A document of the HL7 message is not attached but elsewhere: it was not loaded. Ask the sender for it.",
    ),
    "too_many_documents": (
        "Trop de documents : les derniers ne sont pas affichés. Ouvrez les originaux.",
        "Too many documents: the last ones are not shown. Open the originals.",
    ),
}

_FAMILIES = {
    "zip_": _ZIP,
    "hprim_": (
        "Le fichier HPRIM est incomplet ou inhabituel. Vérifiez l'identité et l'original.",
        "The HPRIM file is incomplete or unusual. Check the identity and the original.",
    ),
    "hl7_": (
        "Une partie du message HL7 n'est pas affichée ici. Ouvrez l'original.",
        "A part of the HL7 message is not shown here. Open the original.",
    ),
    "cda_": (
        "Une partie du document CDA n'a pas pu être lue. Ouvrez l'original.",
        "A part of the CDA document could not be read. Open the original.",
    ),
    "tnef_": (
        "Une partie de winmail.dat n'a pas pu être lue. Demandez un envoi sans format Outlook.",
        "A part of winmail.dat could not be read. Ask for a mail without the Outlook format.",
    ),
}


def bare(problem: str) -> str:
    """The code without ``refused:`` or ``unreadable:``."""
    return problem.removeprefix(REFUSED).removeprefix(UNREADABLE)


def say(problem: str) -> tuple[str, str]:
    """The French and the English sentence for a problem of a Reading."""
    code = bare(problem)
    if code.endswith("_too_large"):
        return _SIZE
    if problem.startswith(UNREADABLE):
        return ("Document illisible. " + _KEPT[0], "The document cannot be read. " + _KEPT[1])
    family = next((words for start, words in _FAMILIES.items() if code.startswith(start)), None)
    return WORDS.get(code) or family or ("Document à vérifier. " + _KEPT[0], "Check the document. " + _KEPT[1])
