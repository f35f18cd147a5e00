"""What the pages say, in French and in English."""

from __future__ import annotations

from typing import Literal

Language = Literal["fr", "en"]

_WORDS: dict[str, tuple[str, str]] = {
    "simulator": ("simulateur", "simulator"),
    "not_vendor": (
        "Ce n'est pas le logiciel de l'éditeur, mais une simulation pour la démonstration et les tests.",
        "This is not the vendor's software, but a simulation for the demo and the tests.",
    ),
    "skip": ("Aller au contenu", "Skip to the content"),
    "other_language": ("English", "Français"),
    "users": ("Utilisateurs de ce produit", "Users of this product"),
    "no_users": ("Personne encore.", "Nobody yet."),
    "conversations": ("Conversations", "Conversations"),
    "no_conversations": ("Aucune conversation. Cherchez un confrère.", "No conversation. Look for a colleague."),
    "search": ("Chercher un confrère", "Look for a colleague"),
    "search_do": ("Chercher", "Search"),
    "nobody_found": ("Personne n'a été trouvé.", "Nobody was found."),
    "unreachable": ("pas encore joignable", "not reachable yet"),
    "choose": ("Écrire à ces personnes", "Write to these people"),
    "new": ("Nouvelle conversation", "New conversation"),
    "to": ("À", "To"),
    "message": ("Message", "Message"),
    "files": ("Joindre des fichiers", "Attach files"),
    "urgent": ("Urgent", "Urgent"),
    "send": ("Envoyer", "Send"),
    "send_hint": ("Ctrl + Entrée envoie.", "Ctrl + Enter sends."),
    "answering": ("Réponse à", "Answer to"),
    "stop_answering": ("Ne pas répondre à ce message", "Do not answer this message"),
    "actions": ("Actions", "Actions"),
    "reply": ("Répondre", "Reply"),
    "react": ("Réagir", "React"),
    "edit": ("Corriger", "Correct"),
    "remove": ("Retirer", "Take back"),
    "ask_poll": ("Poser une question à tous", "Ask everybody"),
    "question": ("Question", "Question"),
    "answers": ("Réponses, une par ligne", "Answers, one a line"),
    "several": ("Plusieurs réponses possibles", "Several may be chosen"),
    "ask": ("Demander", "Ask"),
    "vote": ("Voter", "Vote"),
    "end_poll": ("Clore le sondage", "End the poll"),
    "edited": ("corrigé", "corrected"),
    "removed": ("Message retiré.", "Message taken back."),
    "from_liaison": ("Information de Liaison", "Information from Liaison"),
    "unread": ("non lus", "unread"),
    "unread_one": ("non lu", "unread"),
    "mark_read": ("Marquer comme lu", "Mark as read"),
    "types": ("écrit…", "is typing…"),
    "group": ("Groupe", "Group"),
    "members": ("Participants", "Members"),
    "add": ("Ajouter", "Add"),
    "add_whom": ("Identifiant (rpps:…)", "Identifier (rpps:…)"),
    "take_out": ("Faire sortir", "Take out"),
    "rename": ("Nommer la conversation", "Name the conversation"),
    "about_patient": ("Ce nom dit qui est le patient", "This name says who the patient is"),
    "save": ("Enregistrer", "Save"),
    "back": ("Toutes les conversations", "All conversations"),
    "held": (
        "En attente : un autre produit a déjà ce professionnel.",
        "Waiting: another product has this professional already.",
    ),
    "refused_account": ("Compte refusé.", "Account refused."),
    "is_it_you": ("déclare aussi ce professionnel. Est-ce vous ?", "declares this professional, too. Is it you?"),
    "yes": ("Oui", "Yes"),
    "no": ("Non", "No"),
    "you": ("Vous", "You"),
    "waiting": ("en attente", "waiting"),
    "accepted": ("accepté", "accepted"),
    "sent": ("envoyé", "sent"),
    "delivered": ("remis", "delivered"),
    "read": ("lu", "read"),
    "refused": ("refusé", "refused"),
    "failed": ("Cela n'a pas pu être fait :", "This could not be done:"),
}


def word(code: str, language: Language) -> str:
    """A word or sentence."""
    return _WORDS[code][0 if language == "fr" else 1]
