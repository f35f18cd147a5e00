"""What whoever looks for somebody reads, French first; a part of the catalogue in :mod:`bridge.words`."""

ASKING: dict[str, tuple[str, str]] = {
    "way_app": ("application", "application"),
    "way_mail": ("messagerie sécurisée", "secure mail"),
    "way_none": ("pas encore joignable", "not reachable yet"),
    "not_now": ("L'annuaire ne répond pas pour l'instant. Réessayez.", "The directory does not answer now. Try again."),
}
