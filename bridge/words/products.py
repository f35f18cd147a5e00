"""What operators read in the console about the vendors' products."""

from __future__ import annotations

PRODUCT_WORDS: dict[str, tuple[str, str]] = {
    "console_products_none": ("Ce relais n'a aucun produit.", "This hub has no product."),
    "console_webhook": ("Webhooks", "Webhooks"),
    "console_webhook_taken": ("pris", "taken"),
    "console_webhook_away": ("ne répond pas", "does not answer"),
    "console_webhook_none": ("aucun : le produit lit ses événements", "none: the product reads its events"),
    "console_attempts": ("Remises", "Deliveries"),
    "console_attempts_since_start": (
        "depuis le démarrage : {sent} prises, {later} à réessayer, {refused} refusées",
        "since the start: {sent} taken, {later} to try again, {refused} refused",
    ),
    "console_token": ("Jeton", "Token"),
    "console_secret": ("Secret des webhooks", "Webhook secret"),
    "console_made": ("fait", "made"),
    "console_by_configuration": ("par la configuration", "by the configuration"),
    "console_unused": ("pas encore utilisé", "not used yet"),
    "console_for_good": ("sans fin", "without an end"),
    "console_until": ("jusqu'au", "until"),
    "console_events": ("Événements conservés", "Events that are kept"),
    "console_events_kept": (
        "du nº {gone} (exclu) au nº {newest}, lus jusqu'au nº {read}, {mib} Mio",
        "from no. {gone} (not included) to no. {newest}, read up to no. {read}, {mib} MiB",
    ),
    "console_events_waiting": ("Événements à renvoyer", "Events to send again"),
    "console_product_more": (
        "{product} : jetons, secrets, événements à renvoyer",
        "{product}: tokens, secrets, events to send again",
    ),
    "console_tokens": ("Jetons", "Tokens"),
    "console_secrets": ("Secrets des webhooks", "Webhook secrets"),
    "console_new_token": ("Faire un nouveau jeton", "Make a new token"),
    "console_new_secret": ("Faire un nouveau secret", "Make a new secret"),
    "console_new_token_about": (
        "Un nouveau jeton vaut tout de suite. Il est montré une seule fois, à vous. L'éditeur du produit doit le "
        "recevoir par une voie sûre, puis le mettre en place. Les anciens "
        "valent au plus 30 jours encore. Un jeton demandé avant et jamais utilisé ne vaut plus.",
        "A new token is good at once. It is shown a single time, to you. The product's vendor has to get it by a safe "
        "way, and then to put it in place. The old ones stay good for 30 days at the most. A token that "
        "was asked for before and never used is good no longer.",
    ),
    "console_new_secret_about": (
        "Un nouveau secret signe tout de suite, à côté des anciens jusqu'à leur fin. Il est montré une seule fois, à "
        "vous. L'éditeur du produit doit l'ajouter avant la fin des anciens : sans lui, il refuse les webhooks.",
        "A new secret signs at once, beside the old ones until they end. It is shown a single time, to you. The "
        "product's vendor has to add it before the old ones end: without it, they refuse the webhooks.",
    ),
    "console_overlap_token": ("Les anciens jetons valent encore", "The old tokens stay good"),
    "console_overlap_secret": ("Les anciens secrets signent encore", "The old secrets go on signing"),
    "console_overlap_used": (
        "jusqu'à l'usage du nouveau",
        "until the new one is used",
    ),
    "console_overlap_hour": ("une heure", "for an hour"),
    "console_overlap_day": ("un jour", "for a day"),
    "console_overlap_week": ("une semaine", "for a week"),
    "console_overlap_now": ("plus du tout (un secret a fui)", "not at all (one has leaked)"),
    "console_sure_token": (
        "Oui, l'éditeur du produit attend ce nouveau jeton.",
        "Yes, the product's vendor expects this new token.",
    ),
    "console_sure_secret": (
        "Oui, l'éditeur du produit attend ce nouveau secret.",
        "Yes, the product's vendor expects this new secret.",
    ),
    "console_made_token": ("Un nouveau jeton pour {product}", "A new token for {product}"),
    "console_made_secret": ("Un nouveau secret pour {product}", "A new secret for {product}"),
    "console_shown_once": (
        "Copiez-le maintenant : il n'est montré qu'une fois, et le relais n'en garde rien de lisible.",
        "Copy it now: it is shown only once, and the hub keeps nothing of it that can be read.",
    ),
    "console_made_used": (
        "Les anciens jetons valent jusqu'au premier usage de celui-ci, au plus tard jusqu'au",
        "The old tokens are good until this one is used for the first time, at the latest until",
    ),
    "console_made_until_token": ("Les anciens jetons valent jusqu'au", "The old tokens are good until"),
    "console_made_until_secret": ("Les anciens secrets signent jusqu'au", "The old secrets sign until"),
    "console_made_next_token": (
        "Remettez-le à l'éditeur par une voie que lui seul peut lire. La page du produit dit s'il est utilisé.",
        "Give it to the vendor by a way that they alone can read. The product's page says whether it is used.",
    ),
    "console_made_next_secret": (
        "Remettez-le à l'éditeur par une voie que lui seul peut lire, avant la fin des anciens.",
        "Give it to the vendor by a way that they alone can read, before the old ones end.",
    ),
    "console_made_back": ("C'est copié : retour à {product}", "It is copied: back to {product}"),
    "console_again": ("Renvoyer des événements", "Send events again"),
    "console_again_about": (
        "Pour un produit qui a perdu ce qu'il avait reçu. Il reconnaît chaque événement à son webhook-id et écarte ce "
        "qu'il a encore ; les auteurs des messages n'en voient rien.",
        "For a product that has lost what it had received. It knows each event by its webhook-id, and drops what it "
        "still has; the writers of messages see nothing of it.",
    ),
    "console_again_reads": (
        "Ce produit lit lui-même ses événements : il peut relire depuis le curseur de son choix.",
        "This product reads its events by itself: it can read again from any cursor.",
    ),
    "console_again_no_log": (
        "Le relais ne garde pas les événements de ce produit : events_kept_days, dans la configuration.",
        "The hub keeps no events of this product: events_kept_days, in the configuration.",
    ),
    "console_again_since": ("À partir de (UTC)", "From (UTC)"),
    "console_again_after": ("ou après le nº", "or after no."),
    "console_again_event": ("ou un seul (webhook-id)", "or one alone (webhook-id)"),
    "console_again_count": ("Compter", "Count"),
    "console_again_gone": (
        "Une partie n'est plus conservée : ce qui suit est incomplet.",
        "Some of it is not kept any longer: what follows is not whole.",
    ),
    "console_again_found": (
        "Événements qui repartiraient : {n}.",
        "Events that would go again: {n}.",
    ),
    "console_again_numbers": ("Du nº {after} au nº {upto}", "From no. {after} to no. {upto}"),
    "console_again_nothing": ("Rien à renvoyer.", "There is nothing to send again."),
    "console_again_anyway": (
        "Pas encore pris, ou déjà en train de repartir : {n}.",
        "Not taken yet, or going again already: {n}.",
    ),
    "console_again_more": (
        "Il y en a d'autres : ensuite, comptez après le nº {upto}",
        "There are more: then count after no. {upto}",
    ),
    "console_again_do": ("Renvoyer", "Send again"),
    "console_again_sure": (
        "Oui, renvoyer tout cela ({n}) à {product}.",
        "Yes, send all of this ({n}) to {product} again.",
    ),
    "console_what_waits": ("Ce qui attend pour {network}", "What waits for {network}"),
}
