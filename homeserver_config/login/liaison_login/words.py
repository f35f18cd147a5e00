"""Why somebody may not log in, as the page of the homeserver shows it: French first. Pure."""

from __future__ import annotations

_REASONS = {
    "no_id_token": ("La preuve d'identité n'a pas été fournie.", "No proof of identity came."),
    "foreign_issuer": ("La preuve vient d'un autre fournisseur d'identité.", "The proof is another provider's."),
    "wrong_audience": ("La preuve a été faite pour un autre service.", "The proof was made for another service."),
    "wrong_algorithm": (
        "La signature de la preuve n'est pas admise.",
        "The proof is signed in a way that is not taken.",
    ),
    "other_sub": ("Les informations reçues sont celles d'une autre personne.", "What came is about somebody else."),
    "no_acr": ("Le niveau d'authentification est inconnu.", "How strong the authentication was is not known."),
    "weak_acr": ("L'authentification est trop faible.", "The authentication was too weak."),
    "no_national_id": ("Aucun identifiant national n'a été fourni.", "No national identifier came."),
    "no_rpps": (
        "Cet identifiant n'est pas un numéro RPPS : l'accès est réservé aux professionnels de l'Annuaire Santé.",
        "This is no RPPS number: only professionals of the directory may log in.",
    ),
    "other_ids": ("Les identifiants reçus se contredisent.", "The identifiers contradict one another."),
    "wrong_role": ("La profession reçue est contradictoire.", "The professions contradict one another."),
    "struck_off": (
        "Votre inscription à l'Annuaire Santé est close. Adressez-vous à votre ordre ou à votre employeur.",
        "Your entry in the directory is closed. Ask your professional body or your employer.",
    ),
    "account_revoked": (
        "L'accès de ce compte a été retiré. Adressez-vous à l'administrateur du service.",
        "This account was taken back. Ask the administrator of the service.",
    ),
    "unknown_professional": (
        "Vous n'êtes pas encore dans l'Annuaire Santé de ce service. Adressez-vous à son administrateur.",
        "You are not in this service's directory yet. Ask its administrator.",
    ),
    "directory_away": (
        "L'annuaire ne répond pas. Réessayez dans quelques minutes.",
        "The directory does not answer. Try again in a few minutes.",
    ),
    "taken": (
        "Un autre compte porte déjà votre identifiant. L'administrateur du service est prévenu.",
        "Another account has your identifier. The administrator of the service was told.",
    ),
    "reserved": (
        "Ce compte est celui d'un professionnel : il s'ouvre par Pro Santé Connect seulement.",
        "This account is a professional's: it opens by Pro Santé Connect only.",
    ),
    "not_yours": (
        "Ce compte n'est pas celui d'un professionnel de l'Annuaire Santé.",
        "This account is not a professional's.",
    ),
}


def say(code: str) -> str:
    """``French / English (code)``; the code is for whoever is asked for help."""
    french, english = _REASONS[code]
    return f"{french} / {english} ({code})"


CODES = frozenset(_REASONS)
