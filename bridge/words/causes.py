"""Why something waits, as operators read it in the console: `console_why_` and the code, or its beginning."""

from __future__ import annotations

CAUSE_WORDS: dict[str, tuple[str, str]] = {
    "console_why_product_unreachable": (
        "personne ne répond à l'adresse des webhooks du produit : appelez son éditeur",
        "nobody answers at the product's address for webhooks: call its vendor",
    ),
    "console_why_product_timed_out": (
        "l'adresse des webhooks du produit ne répond pas à temps : appelez son éditeur",
        "the product's address for webhooks does not answer in time: call its vendor",
    ),
    "console_why_product_certificate": (
        "le certificat du produit n'est pas accepté (expiré, d'un autre nom, d'une autorité inconnue) : "
        "appelez son éditeur",
        "the product's certificate is not accepted (it has ended, names another host, or nobody known has issued it): "
        "call its vendor",
    ),
    "console_why_product_answered_401": (
        "le produit ne reconnaît pas la signature : comparez les secrets des webhooks",
        "the product does not believe the signature: compare the webhook secrets",
    ),
    "console_why_product_answered_4": (
        "le produit ne prend pas ce webhook : appelez son éditeur",
        "the product does not take this webhook: call its vendor",
    ),
    "console_why_product_answered_5": (
        "le produit a une panne : appelez son éditeur",
        "the product has a fault of its own: call its vendor",
    ),
    "console_why_log_full": (
        "le journal des événements du produit est plein : il ne prend plus rien",
        "the log of the product's events is full: it takes nothing any more",
    ),
    "console_why_homeserver_away": ("le serveur Matrix ne répond pas", "the homeserver does not answer"),
    "console_why_homeserver_error": ("le serveur Matrix a une panne", "the homeserver has a fault of its own"),
    "console_why_homeserver_refuses_us": (
        "le serveur Matrix ne laisse pas passer le relais : liaison check",
        "the homeserver does not let the hub in: liaison check",
    ),
    "console_why_homeserver_rate_limit": ("le serveur Matrix demande d'attendre", "the homeserver asks to wait"),
    "console_why_media_away": ("le dépôt de fichiers ne répond pas", "the repository of files does not answer"),
    "console_why_scan_away": ("l'antivirus ne répond pas", "the virus scanner does not answer"),
    "console_why_invited": (
        "le destinataire n'a pas encore accepté l'invitation",
        "the recipient is invited, and has not joined",
    ),
    "console_why_database": ("la base de données ne répond pas", "the database does not answer"),
}
