"""What people read in rooms and products: what was not carried, and why. French, then English."""

from __future__ import annotations

NOTICES: dict[str, tuple[str, str]] = {
    "inactive": ("inactif", "inactive"),  # beside a name
    # what
    "too_long": (
        "Le message est trop long. Envoyez-le en plusieurs parties.",
        "The message is too long. Send it in several parts.",
    ),
    "too_large": (
        "Le message est trop volumineux. Envoyez-le en plusieurs parties.",
        "The message is too large. Send it in several parts.",
    ),
    "files_not_carried": (
        "Le produit du destinataire ne reçoit pas de fichiers. Envoyez le document par messagerie sécurisée.",
        "The recipient's product takes no files. Send the document by secure mail.",
    ),
    "kind_not_carried": (
        "Ce type de message n'est pas encore transmis. Écrivez-le en texte.",
        "This kind of message is not carried yet. Write it as text.",
    ),
    "edit_not_carried": (
        "La modification n'a pas été transmise : vos correspondants voient l'ancien texte. Envoyez un nouveau message.",
        "The edit was not carried: the others still see the old text. Send a new message.",
    ),
    "removal_not_carried": (
        "La suppression n'a pas été transmise : le message reste visible chez vos correspondants. Prévenez-les.",
        "The removal was not carried: the others still see the message. Tell them.",
    ),
    "target_never_came": (
        "Le message dont il s'agit n'est jamais arrivé : ceci n'a pas été transmis. Renvoyez le message entier.",
        "The message that this is about never came: this was not carried. Send the whole message again.",
    ),
    "target_not_there": (
        "Ce correspondant n'a jamais reçu le message dont il s'agit : ceci ne lui a pas été transmis. Renvoyez le "
        "message entier.",
        "This person never received the message that this is about: this was not carried to them. Send the whole "
        "message again.",
    ),
    "target_removed": (
        "Ce message a été retiré : il n'y a plus rien à changer. Envoyez un nouveau message.",
        "This message was taken back: there is nothing left to change. Send a new message.",
    ),
    "call_not_carried": (
        "Les appels ne passent pas par ce salon : personne ne l'entend sonner, vos correspondants lisent seulement que "
        "vous avez appelé. Téléphonez.",
        "Calls do not go through this room: nobody hears it ring, the others only read that you called. Use the "
        "telephone.",
    ),
    "nothing_to_verify": (
        "Ce correspondant n'a pas d'appareil à vérifier : Liaison répond de lui, et l'annuaire le nomme.",
        "This person has no device to verify: Liaison vouches for them, and the directory names them.",
    ),
    "reactions_unheard": (
        "personne n'y voit les réactions. Répondez par un texte. (Dit une seule fois dans ce salon.)",
        "nobody sees reactions there. Answer with text. (Said only once in this room.)",
    ),
    "reaction_not_carried": (
        "La réaction n'a pas été transmise. Répondez par un texte.",
        "The reaction was not carried. Answer with text.",
    ),
    "empty": ("Le message est vide.", "The message is empty."),
    "file_not_encrypted": (
        "Ce fichier n'est pas chiffré : il n'a pas été transmis. Mettez votre application à jour et renvoyez-le.",
        "This file is not encrypted and was not carried. Update your app and send it again.",
    ),
    "file_damaged": (
        "Ce fichier est arrivé endommagé : il n'a pas été transmis. Renvoyez-le.",
        "This file arrived damaged and was not carried. Send it again.",
    ),
    "file_not_fetched": (
        "Ce fichier n'a pas pu être récupéré sur son serveur : il n'a pas été transmis. Renvoyez-le.",
        "This file could not be fetched from its server and was not carried. Send it again.",
    ),
    # encryption
    "not_encrypted": (
        "Message non chiffré : il n'a pas été transmis. Activez le chiffrement et renvoyez-le.",
        "The message was not encrypted and was not carried. Turn encryption on and send it again.",
    ),
    "too_many_rooms": ("Trop de salons ouverts. Réessayez dans une heure.", "Too many rooms. Try again in an hour."),
    "room_not_encrypted": (
        "Ce salon n'est pas chiffré. Créez un salon chiffré et invitez à nouveau.",
        "This room is not encrypted. Create an encrypted room and invite again.",
    ),
    "unsigned_device": (
        "Message non transmis : votre appareil n'est pas vérifié. Vérifiez-le dans les paramètres, puis renvoyez.",
        "Not carried: your device is not verified. Verify it in the settings, then send again.",
    ),
    "identity_changed": (
        "Message non transmis : l'identité de chiffrement a changé. Contactez votre administrateur.",
        "Not carried: the encryption identity has changed. Ask your administrator.",
    ),
    "recipient_unsigned": (
        "Gardé, pas encore lisible : aucun appareil de cette personne n'est vérifié. Elle lira ce message dès qu'elle "
        "en aura vérifié un ; si c'est urgent, appelez.",
        "Kept, not readable yet: no device of this person is verified. They read this message once they have verified "
        "one; if it is urgent, call.",
    ),
    "recipient_identity": (
        "Gardé, pas encore lisible : l'identité de chiffrement de cette personne a changé. L'exploitant est alerté et "
        "doit la confirmer ; si c'est urgent, appelez.",
        "Kept, not readable yet: this person's encryption identity has changed. The operator has been alerted and must "
        "confirm it; if it is urgent, call.",
    ),
    "recipient_no_device": (
        "Gardé, pas encore lisible : cette personne n'a aucun appareil connecté. Elle lira ce message en se "
        "reconnectant ; si c'est urgent, appelez.",
        "Kept, not readable yet: this person has no device that is signed in. They read this message when they sign "
        "in; if it is urgent, call.",
    ),
    "recipient_untrusted": (
        "Gardé, pas encore lisible : le serveur de cette personne ne fait plus partie de l'espace de confiance. "
        "Joignez-la autrement.",
        "Kept, not readable yet: this person's server has left the trust space. Reach them another way.",
    ),
    "recipient_no_key": (
        "Gardé, pas encore lisible : la clé n'a pas encore pu être remise à un appareil de cette personne. Les essais "
        "continuent ; si c'est urgent, appelez.",
        "Kept, not readable yet: the key could not be given to a device of this person so far. We keep trying; if it "
        "is urgent, call.",
    ),
    "identity_accepted": (
        "L'identité de chiffrement de cette personne est confirmée : les messages passent à nouveau, ceux qui étaient "
        "gardés deviennent lisibles. Ceux qu'elle a écrits entre-temps sont à renvoyer.",
        "This person's encryption identity is confirmed: messages pass again, and those that were kept become "
        "readable. What they wrote meanwhile is to be sent again.",
    ),
    "identity_same": (
        "L'identité de chiffrement de cette personne n'a pas changé : il n'y a rien à confirmer.",
        "This person's encryption identity has not changed: there is nothing to accept.",
    ),
    "identity_other": (
        "Ce n'est pas l'identité que le serveur donne maintenant : regardez à nouveau avant de confirmer.",
        "This is not the identity that the server gives now: look again before you accept.",
    ),
    "undecryptable": (
        "Message illisible : il n'a pas été transmis. Renvoyez-le.",
        "The message cannot be read and was not carried. Send it again.",
    ),
    "waiting_for_key": (
        "Message en attente de sa clé de chiffrement ; il partira dès son arrivée. Gardez votre application ouverte.",
        "The message waits for its encryption key and goes out when it arrives. Keep your app open.",
    ),
    "waiting_for_key_again": (
        "Après une panne, ce message attend à nouveau sa clé de chiffrement. Il est peut-être déjà arrivé ; "
        "sans réponse, renvoyez-le.",
        "After an outage this message waits for its encryption key again. It may have arrived before; if nobody "
        "answers, send it again.",
    ),
    # where
    "product_refused": (
        "Le produit du destinataire a refusé le message. Joignez-le autrement.",
        "The recipient's product refused the message. Reach them another way.",
    ),
    "not_in_room": (
        "Le salon n'est plus accessible. Ouvrez une nouvelle conversation.",
        "The room cannot be reached any more. Open a new conversation.",
    ),
    "only_reads": (
        "Ce salon vous laisse seulement lire. Demandez à un administrateur du salon le droit d'y écrire.",
        "This room lets you read only. Ask an administrator of the room to let you write.",
    ),
    "own_account": (
        "Cette personne participe maintenant avec son propre compte Matrix.",
        "This person now takes part with their own Matrix account.",
    ),
    "gives_topic": ("donne le sujet de cette conversation", "gives the topic of this conversation"),
    "takes_topic_away": ("retire le sujet de cette conversation", "takes the topic of this conversation away"),
    "names_it": ("nomme cette conversation", "names this conversation"),
    "names_it_room_keeps": (
        "nomme cette conversation ; le salon garde son nom, que seuls ses administrateurs changent",
        "names this conversation; the room keeps its name, which only its administrators change",
    ),
    "takes_name_away": ("retire le nom de cette conversation", "takes the name of this conversation away"),
    "last_has_left": (
        "Cette personne a quitté la conversation, et personne d'autre n'y reçoit plus vos messages. Pour lui écrire, "
        "ouvrez un nouveau salon.",
        "This person has left the conversation, and nobody else receives your messages here any more. To write to "
        "them, open a new room.",
    ),
    "not_let_in": (
        "Cette personne n'a pas pu entrer dans ce salon : elle est retirée de la conversation. Invitez-la vous-même.",
        "This person could not enter this room and is removed from the conversation. Invite them yourself.",
    ),
    "not_taken_out": (
        "Cette personne, hors de la conversation, reste dans ce salon. Un administrateur du salon peut l'en retirer.",
        "This person is not part of the conversation but stays in this room. A room administrator can remove them.",
    ),
    "matrix_refused": (
        "Le serveur Matrix a refusé le message. Contactez votre administrateur.",
        "The Matrix server refused the message. Ask your administrator.",
    ),
    "gave_up": (
        "Le message n'a pas pu être remis malgré plusieurs essais. Joignez le destinataire autrement.",
        "The message could not be delivered after many attempts. Reach the recipient another way.",
    ),
    "dropped_by_operator": (
        "L'exploitant de Liaison a renoncé à remettre ce message. Joignez le destinataire autrement.",
        "The operator of Liaison has given up delivering this message. Reach the recipient another way.",
    ),
    "internal_error": (
        "Une erreur interne empêche la remise. Joignez le destinataire autrement ; l'exploitant est alerté.",
        "An internal error prevents delivery. Reach the recipient another way; the operator is alerted.",
    ),
    "same_network": (
        "Cette personne utilise le même produit que vous : écrivez-lui directement.",
        "This person uses the same product as you: write to them directly.",
    ),
    # files
    "infected": (
        "L'antivirus a trouvé un virus dans ce fichier : rien n'a été transmis. Prévenez votre service informatique.",
        "The antivirus has found a virus in this file: nothing was carried. Tell your IT department.",
    ),
    "not_scanned": (
        "L'antivirus n'a pas pu analyser ce fichier (trop volumineux, ou protégé par un mot de passe) : rien n'a été "
        "transmis. Envoyez-le sous une autre forme.",
        "The antivirus could not look through this file (too large, or with a password): nothing was carried. Send it "
        "in another form.",
    ),
    "files_too_large": (
        "Les fichiers sont trop volumineux pour être transmis. Envoyez-les en plusieurs messages, ou réduisez-les.",
        "The files are too large to be carried. Send them in several messages, or make them smaller.",
    ),
}
