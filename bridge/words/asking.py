"""What whoever looks for somebody reads, French first; a part of the catalogue in :mod:`bridge.words`."""

ASKING: dict[str, tuple[str, str]] = {
    "way_app": ("application", "application"),
    "way_mail": ("messagerie sécurisée", "secure mail"),
    "way_inactive": ("n'exerce plus", "does not practise any more"),
    "way_none": ("pas encore joignable", "not reachable yet"),
    # the desk: what the hub's voice answers in a direct room
    "desk_hello": (
        "Bonjour. Écrivez un nom, avec la profession ou la ville si besoin (« petit cardiologue bordeaux »), un numéro "
        "RPPS ou une adresse MSSanté : vous verrez qui c'est et comment la personne est joignable. Répondez ensuite "
        "par un numéro pour lui écrire. « contacts » : vos correspondants, en un fichier pour votre carnet d'adresses. "
        "« english » : Liaison vous parle anglais.",
        "Hello. Write a name, with profession or town if need be (“petit cardiologue bordeaux”), an RPPS number or a "
        "secure mail address: you will see who it is and how they are reached. Then answer with a number to write to "
        "them. “contacts”: those you have written with, as a file for your address book. “français”: "
        "Liaison speaks French to you.",
    ),
    "desk_language": (
        "Entendu : ce que Liaison vous dit, ici et dans vos autres salons, est en français.",
        "Done: what Liaison tells you, here and in your other rooms, is in English.",
    ),
    "desk_choose": (
        "Répondez par un numéro pour écrire à cette personne.",
        "Answer with a number to write to that person.",
    ),
    "desk_more": (
        "Il y en a d'autres : ajoutez la ville, la profession ou le prénom.",
        "There are more: add the town, the profession or the first name.",
    ),
    "desk_nobody": (
        "Personne n'a été trouvé. Vérifiez l'orthographe, ou écrivez moins de mots.",
        "Nobody was found. Check the spelling, or write fewer words.",
    ),
    "desk_which": (
        "Ce numéro n'est dans aucune liste récente. Écrivez à nouveau le nom.",
        "This number is in no recent list. Write the name again.",
    ),
    "desk_opened": (
        "Le salon est ouvert : acceptez l'invitation de {name}, puis écrivez-lui là.",
        "The room is open: accept the invitation from {name}, then write to them there.",
    ),
    "desk_already": (
        "Vous avez déjà une conversation avec {name} : {link}",
        "You already have a conversation with {name}: {link}",
    ),
    "desk_own_account": (
        "{name} a son propre compte Matrix : écrivez-lui directement. {link}",
        "{name} has a Matrix account of their own: write to them directly. {link}",
    ),
    "desk_yourself": ("C'est vous-même.", "This is you."),
    "desk_nobody_yet": (
        "Vous n'avez encore écrit à personne par Liaison.",
        "You have not written to anybody through Liaison yet.",
    ),
    "desk_encrypt": (
        "Vos contacts ne sont donnés que dans un salon chiffré. Activez le chiffrement, ou ouvrez un autre salon.",
        "Your contacts are given in an encrypted room only. Turn encryption on, or open another room.",
    ),
    "desk_alone": (
        "Je réponds dans un salon où nous sommes seuls. Invitez-moi dans un message direct.",
        "I answer in a room where there is nobody else. Invite me to a direct chat.",
    ),
    # the identity server
    "address_unlisted": (
        "Cette adresse n'est pas dans l'annuaire. Si elle est exacte, écrivez-la en direct à Liaison ({voice}).",
        "This address is not in the directory. If it is right, write it to Liaison ({voice}) in a direct chat.",
    ),
    "address_not_bound": (
        "Les adresses viennent de l'annuaire : aucune ne peut être ajoutée ici.",
        "Addresses come from the directory: none can be added here.",
    ),
    "not_now": ("L'annuaire ne répond pas pour l'instant. Réessayez.", "The directory does not answer now. Try again."),
}
