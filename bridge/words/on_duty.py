"""What people read about functions and absences, French first. Names stand in braces."""

from __future__ import annotations

ON_DUTY: dict[str, tuple[str, str]] = {
    "unknown_function": (
        "Cette fonction n'existe pas ou n'est plus assurée. Cherchez-la à nouveau par son nom.",
        "There is no such function, or it has ended. Search for it again by its name.",
    ),
    "nobody_on_duty": (
        "Personne n'est de garde : le message n'a été remis à personne. Appelez.",
        "Nobody is on duty: nobody has the message. Call.",
    ),
    "waits_for_duty": (
        "Personne n'est de garde pour l'instant : le message est gardé jusqu'à la prochaine garde.",
        "Nobody is on duty now: the message is kept until somebody is.",
    ),
    "not_read_on_duty": (
        "Personne de garde n'a lu ce message à temps. Appelez.",
        "Nobody on duty has read this message in time. Call.",
    ),
    "duty_taken": (
        "✅ {function} : pris en charge par {name}.",
        "{function}: taken in charge by {name}.",
    ),
    "duty_nobody": (
        "⚠️ {function} : personne n'est de garde. Prochaine garde : {when} ({name}) ; votre message lui sera remis à ce "
        "moment. Si c'est urgent, appelez.",
        "{function}: nobody is on duty. Next: {when} ({name}), who gets your message then. If it is urgent, call.",
    ),
    "duty_never": (
        "⚠️ {function} : personne n'est joignable et aucune garde n'est prévue. Personne n'a votre message. Appelez.",
        "{function}: nobody can be reached and no duty is planned. Nobody has your message. Call.",
    ),
    "duty_began": (
        "{function} : {name} prend la garde ; votre message lui est remis.",
        "{function}: {name} is on duty now and gets your message.",
    ),
    "duty_mail": (
        "⚠️ {function} : non lu par {name}. Envoyé aussi à sa messagerie sécurisée.",
        "{function}: not read by {name}. Sent to their secure mailbox, too.",
    ),
    "duty_passed": (
        "⚠️ {function} : non lu par {before}. Transmis à {name}.",
        "{function}: not read by {before}. Passed on to {name}.",
    ),
    "duty_relieved": (
        "{function} : relève. Ce que {before} n'a pas lu est transmis à {name}.",
        "{function}: hand-over. What {before} has not read is passed on to {name}.",
    ),
    "duty_unread": (
        "⚠️ {function} : personne n'a lu votre message. Il n'est transmis à personne d'autre : appelez.",
        "{function}: nobody has read your message. It is passed on to nobody else: call.",
    ),
    "duty_yourself": (
        "{function} : c'est vous qui êtes de garde. Personne d'autre n'a ce message.",
        "{function}: you are on duty yourself. Nobody else has this message.",
    ),
    "duty_copy": (
        "{urgent}{writer} à {function}, {when} :",
        "{urgent}{writer} to {function}, {when}:",
    ),
    "duty_too_large": (
        "Trop volumineux pour être joint ici : {files}. Demandez-le à son auteur.",
        "Too large to be sent along: {files}. Ask its author for it.",
    ),
    "duty_answer": (
        "Répondez à ce message : votre réponse paraît dans la conversation.",
        "Answer this message: your answer appears in the conversation.",
    ),
    "duty_answered": (
        "{function} : réponse de {name} par messagerie sécurisée :",
        "{function}: answer of {name} by secure mail:",
    ),
    "away": (
        "{name} est en absence jusqu'au {when}.",
        "{name} is away until {when}.",
    ),
    "away_substitute": (
        "Remplacement : {substitute}.",
        "Substitute: {substitute}.",
    ),
}
