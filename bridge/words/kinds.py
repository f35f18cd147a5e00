"""What a message reads like where only text is shown. French, then English. ``{0}`` stands for what is said there."""

from __future__ import annotations

KIND_WORDS: dict[str, tuple[str, str]] = {
    "as_location": ("Position", "Location"),
    "as_poll": ("Sondage", "Poll"),
    "as_poll_most": ("{0} réponses au plus", "{0} answers at most"),
    "as_poll_answer": ("Répondez par un texte.", "Answer with text."),
    "as_poll_ended": ("Sondage terminé", "Poll closed"),
    "as_votes": ("{0} votes", "{0} votes"),
    "as_contact": ("Contact", "Contact"),
    "as_call": (
        "Appel manqué : les appels ne passent pas par cette conversation. Rappelez par téléphone.",
        "Missed call: calls do not go through this conversation. Call back by telephone.",
    ),
    "as_call_link": ("Appel : rejoindre", "Call: join"),
    "as_handled": ("Traité", "Dealt with"),
    "as_sticker": ("Autocollant", "Sticker"),
    "as_everybody": ("À tous", "To everybody"),
    "as_edit": ("corrige", "correction"),
    "as_edit_at": ("corrige le message de {0}", "corrects the message of {0}"),
    "as_removal": ("a retiré un message", "has taken a message back"),
    "as_removal_at": ("a retiré son message de {0}", "has taken back the message of {0}"),
    "as_moderation_at": ("a retiré le message de {0} ({1})", "has removed the message of {0} ({1})"),
    "as_reaction_back": ("a retiré sa réaction", "has taken the reaction back"),
    "as_handled_back": ("n'est plus traité", "is not dealt with any more"),
    "as_reply": ("en réponse à {0}, {1}", "in answer to {0}, {1}"),
    "removal_said": (
        "Le message reste visible chez cette personne : un texte lui dit que vous l'avez retiré. Si c'est important, "
        "prévenez-la.",
        "This person still sees the message: a text tells them that you have taken it back. If it matters, tell them.",
    ),
    "wrong_kind": (
        "Ce champ va avec le type de message (`kind`) du même nom, et ce type avec ce champ.",
        "This field goes with the kind of the same name, and that kind with this field.",
    ),
    "same_answer": (
        "Deux réponses de ce sondage ont le même identifiant.",
        "Two answers of this poll have the same id.",
    ),
    "handled_not_carried": (
        "« Traité » n'a pas été transmis. Répondez par un texte.",
        '"Dealt with" was not carried. Answer with text.',
    ),
    "poll_not_carried": (
        "Le sondage n'a pas été transmis. Écrivez-le en texte.",
        "The poll was not carried. Write it as text.",
    ),
    "vote_not_carried": (
        "Le vote n'a pas été compté : ce sondage n'est pas connu ici. Répondez par un texte.",
        "The vote was not counted: this poll is not known here. Answer with text.",
    ),
    "poll_end_not_carried": (
        "La fin du sondage n'a pas été transmise : seul son auteur peut le terminer.",
        "The end of the poll was not carried: only its author may end it.",
    ),
}
