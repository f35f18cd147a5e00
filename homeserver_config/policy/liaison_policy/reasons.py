"""Why something is refused: a code for machines, the Matrix error code, and a sentence that a clinician understands."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

CODE = "fr.liaison.reason"
WORDS = "fr.liaison.words"


@dataclass(frozen=True, slots=True)
class Reason:
    """``errcode`` is Matrix's; ``code`` is ours and never changes."""

    code: str
    errcode: str
    fr: str
    en: str

    def fields(self, language: str) -> dict[str, Any]:
        """What the client gets beside ``errcode``; ``error`` is the sentence that most clients show."""
        said = self.fr if language == "fr" else self.en
        return {"error": said, CODE: self.code, WORDS: {"fr": self.fr, "en": self.en}}


_FORBIDDEN, _BLOCKED, _VERSION = "M_FORBIDDEN", "M_INVITE_BLOCKED", "M_UNSUPPORTED_ROOM_VERSION"
_TABLE = (
    Reason(
        "server_not_listed", _FORBIDDEN,
        "Le serveur de cette personne ne fait pas partie de l’espace de confiance.",
        "This person's server does not take part in the trust space.",
    ),
    Reason(
        "list_ended", _FORBIDDEN,
        "La liste de l’espace de confiance n’est plus valable : seuls les échanges internes sont possibles. "
        "Prévenez votre service informatique.",
        "The list of the trust space has ended: only colleagues of this server can be reached. "
        "Tell your IT department.",
    ),
    Reason(
        "not_accepting", _BLOCKED,
        "Cette personne n’accepte pas d’invitation de votre part.",
        "This person does not accept invitations from you.",
    ),
    Reason(
        "not_now", _BLOCKED,
        "Cette personne n’accepte pas d’invitation en ce moment.",
        "This person does not accept invitations at this time.",
    ),
    Reason(
        "not_encrypted", _FORBIDDEN,
        "Un salon doit être chiffré, et le rester.",
        "A room has to be encrypted, and to stay so.",
    ),
    Reason(
        "clear_text", _FORBIDDEN,
        "Ce message n’est pas chiffré : il n’a pas été envoyé. Activez le chiffrement de votre application.",
        "This message is not encrypted: it was not sent. Turn on encryption in your application.",
    ),
    Reason(
        "public_room", _FORBIDDEN,
        "Un salon ne peut pas être public : on y entre sur invitation.",
        "A room cannot be public: people enter by invitation.",
    ),
    Reason(
        "join_rule", _FORBIDDEN,
        "Cette façon d’entrer dans un salon n’est pas permise ici.",
        "This way to enter a room is not allowed here.",
    ),
    Reason(
        "world_readable", _FORBIDDEN,
        "L’historique d’un salon n’est lisible que par ses membres.",
        "The history of a room is for its members only.",
    ),
    Reason(
        "guest_access", _FORBIDDEN,
        "Personne n’entre dans un salon sans compte.",
        "Nobody enters a room without an account.",
    ),
    Reason(
        "room_version", _VERSION,
        "Cette version de salon n’est pas permise ici.",
        "This room version is not allowed here.",
    ),
    Reason(
        "power_levels", _FORBIDDEN,
        "Le chiffrement, l’historique et les droits d’un salon sont réservés à ses administrateurs.",
        "Encryption, history and permissions of a room are for its administrators only.",
    ),
    Reason(
        "protected_event", _FORBIDDEN,
        "Ce réglage du salon ne peut pas être effacé.",
        "This setting of the room cannot be removed.",
    ),
    Reason(
        "patient_data", _FORBIDDEN,
        "Le nom et le sujet d’un salon ne sont pas chiffrés : n’y mettez ni nom, ni date de naissance, "
        "ni numéro de patient.",
        "A room's name and topic are not encrypted: no patient's name, birth date or number there.",
    ),
    Reason(
        "external_user", _FORBIDDEN,
        "Un compte externe ne peut ni créer de salon ni inviter : demandez à un membre de l’établissement.",
        "An external account can neither create rooms nor invite: ask a member of the institution.",
    ),
    Reason(
        "invite_by_mail", _FORBIDDEN,
        "On n’invite pas par adresse électronique : cherchez la personne dans l’annuaire.",
        "Nobody is invited by mail address: find the person in the directory.",
    ),
    Reason(
        "internal_error", _FORBIDDEN,
        "Cette demande n’a pas pu être vérifiée : réessayez, puis prévenez votre service informatique.",
        "This request could not be checked: try again, then tell your IT department.",
    ),
)  # fmt: skip
REASONS = {one.code: one for one in _TABLE}
"""By code."""


class Refusal(Exception):
    """A rule refuses; the text is the reason's code. ``server``: of whoever is on the other side, if there is one."""

    def __init__(self, code: str, server: str = "") -> None:
        self.reason = REASONS[code]
        self.server = server
        super().__init__(code)
