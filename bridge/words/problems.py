"""Sentences about people and requests that the hub does not take: what products are answered."""

from __future__ import annotations

PROBLEMS: dict[str, tuple[str, str]] = {
    # who
    "unknown_sender": (
        "Cet expéditeur n'est pas connu de Liaison. Déclarez-le d'abord avec son numéro RPPS.",
        "This sender is not known to Liaison. Declare them first, with their RPPS number.",
    ),
    "account_held": (
        "Un autre produit a déjà ce professionnel : ce compte est en attente. Confirmez-le dans l'autre produit, ou "
        "contactez l'exploitant de Liaison.",
        "Another product has this professional already: this account waits. Confirm it in the other product, or ask "
        "the operator of Liaison.",
    ),
    "account_refused": (
        "Ce compte a été refusé pour ce professionnel. Si c'est une erreur, contactez l'exploitant de Liaison.",
        "This account was refused for this professional. If that is wrong, ask the operator of Liaison.",
    ),
    "account_revoked": (
        "Ce compte n'est plus celui de ce professionnel : ce lien a été retiré. Contactez l'exploitant de Liaison.",
        "This account is no longer this professional's: the link was taken back. Ask the operator of Liaison.",
    ),
    "account_unproven": (
        "La fédération demande une preuve plus forte pour les utilisateurs de ce produit : connectez-vous à nouveau "
        "dans votre produit.",
        "The federation asks for a stronger proof of this product's users: log in to your product again.",
    ),
    "recipient_unproven": (
        "Non remis : l'identité de cette personne n'est pas encore prouvée dans son produit. Joignez-la autrement.",
        "Not delivered: this person's identity is not proven in their product yet. Reach them another way.",
    ),
    "product_not_listed": (
        "Ce produit ne figure pas sur la liste de la fédération : rien ne passe plus. Joignez la personne autrement.",
        "This product is not on the federation's list: nothing passes any more. Reach the person another way.",
    ),
    "proof_refused": (
        "La preuve d'identité n'est pas valable (signature, destinataire, personne, durée). Demandez-en une nouvelle.",
        "The proof of identity is not valid (signature, audience, person or time). Ask for a new one.",
    ),
    "not_linked": ("Cette adresse n'est liée à personne.", "This address is linked to nobody."),
    "other_way": (
        "Non remis : cette personne participe maintenant par un autre compte. Si elle ne l'y a pas lu, écrivez-le à "
        "nouveau.",
        "Not delivered: this person now takes part by another account. If they have not read it there, write it again.",
    ),
    "sender_inactive": (
        "Ce professionnel n'est plus actif dans l'annuaire : il ne peut plus écrire. Si c'est une erreur, faites "
        "corriger l'annuaire.",
        "This professional is no longer active in the directory and cannot write. If that is wrong, have the directory "
        "corrected.",
    ),
    "person_inactive": (
        "Ce professionnel n'est plus actif dans l'annuaire. Si c'est une erreur, faites corriger l'annuaire.",
        "This professional is no longer active in the directory. If that is wrong, have the directory corrected.",
    ),
    "recipient_inactive": (
        "Message non remis : cette personne n'est plus active dans l'annuaire. Écrivez à un confrère.",
        "Not delivered: this person is no longer active in the directory. Write to a colleague.",
    ),
    "other_account": (
        "Ce professionnel participe à cette conversation depuis un autre produit : qu'il y réponde, ou commencez une "
        "nouvelle conversation.",
        "This professional takes part in this conversation from another product: answer there, or begin a new "
        "conversation.",
    ),
    "not_contested": (
        "Aucun compte de ce produit n'attend de réponse pour ce professionnel.",
        "No account of this product waits for an answer about this professional.",
    ),
    "decided": (
        "Ce compte a déjà été accepté. Seul l'exploitant de Liaison peut le retirer.",
        "This account has been accepted already. Only the operator of Liaison can take it back.",
    ),
    "account_listed": (
        "L'annuaire donne un compte de ce produit à ce professionnel : corrigez d'abord l'annuaire.",
        "The directory lists an account of this product for this professional: correct the directory first.",
    ),
    "unknown_recipient": (
        "Ce destinataire est introuvable dans l'annuaire. Vérifiez l'identifiant.",
        "This recipient is not in the directory. Check the identifier.",
    ),
    "unknown_network": (
        "Ce produit n'est pas relié à Liaison.",
        "This product is not connected to Liaison.",
    ),
    "not_reachable": (
        "Ce professionnel n'a pas encore de messagerie reliée à Liaison. Joignez-le autrement.",
        "This professional has no messaging product connected to Liaison yet. Reach them another way.",
    ),
    "not_invited": (
        "Cette personne n'a pas pu être invitée : son serveur ou ses réglages le refusent. Vérifiez son adresse.",
        "This person could not be invited: their server or settings refuse the invitation. Check their address.",
    ),
    "untrusted_server": (
        "Ce serveur Matrix ne fait pas partie de l'espace de confiance. Contactez votre administrateur.",
        "This Matrix server is not part of the trust space. Ask your administrator.",
    ),
    "bad_handle": (
        "Cette adresse n'a pas une forme connue (rpps:…, matrix:@…, mailto:…, produit:identifiant).",
        "This address has no known form (rpps:…, matrix:@…, mailto:…, product:id).",
    ),
    "searched_too_fast": (
        "Trop de recherches à la suite. Attendez quelques secondes.",
        "Too many searches in a row. Wait a few seconds.",
    ),
    "searched_enough": (
        "Vous avez consulté beaucoup de fiches de l'annuaire aujourd'hui. Réessayez demain, ou donnez un numéro RPPS "
        "ou une adresse exacte.",
        "You have looked at many entries of the directory today. Try again tomorrow, or give an RPPS number or an "
        "exact address.",
    ),
    "bad_rpps": ("Un numéro RPPS a 11 chiffres.", "An RPPS number has 11 digits."),
    "unknown_rpps": (
        "Ce numéro RPPS n'est pas dans l'annuaire. Vérifiez-le.",
        "This RPPS number is not in the directory. Check it.",
    ),
    "not_your_user": (
        "Ce produit ne peut parler que pour ses propres utilisateurs.",
        "A product can speak only for its own users.",
    ),
    "not_a_member": (
        "Cette personne ne participe pas à la conversation.",
        "This person is not a member of the conversation.",
    ),
    "nobody_else": (
        "Vous êtes seul dans cette conversation : le message n'est parti chez personne. Ajoutez quelqu'un.",
        "You are alone in this conversation: the message went to nobody. Add somebody.",
    ),
    "unknown_conversation": (
        "Conversation inconnue. Indiquez les destinataires (« to ») au premier message.",
        "Unknown conversation. Name the recipients (`to`) with the first message.",
    ),
    "id_in_use": (
        "Cet identifiant désigne déjà un autre message. Choisissez-en un nouveau.",
        "This id already names another message. Choose a new one.",
    ),
    "unknown_message": ("Message inconnu.", "Unknown message."),
    "not_taken": (
        "Cette personne ne reçoit pas ce message. Joignez-la autrement.",
        "This person does not receive this message. Reach them another way.",
    ),
    "left_before": (
        "Cette personne a quitté la conversation avant que le message parte : elle ne l'a pas reçu.",
        "This person left the conversation before the message went out, and has not received it.",
    ),
    "late": (
        "Pas encore remis : le service du destinataire ne répond pas. Nous essayons encore ; si c'est urgent, appelez.",
        "Not delivered yet: the recipient's service does not answer. We keep trying; if it is urgent, call.",
    ),
    "room_upgraded": (
        "La conversation continue dans un nouveau salon, où vos correspondants n'ont pas pu entrer : les messages "
        "attendent. Que quelqu'un y invite les participants de l'ancien salon.",
        "The conversation goes on in a new room that did not let your correspondents in: messages wait. Somebody has "
        "to invite there everybody who was in the old room.",
    ),
    "at_last": ("Remis maintenant.", "Delivered now."),
    "not_joined": (
        "Cette personne n'a pas rejoint la conversation : elle n'a pas reçu ce message.",
        "This person did not join the conversation, and has not received this message.",
    ),
    "invited": (
        "Cette personne est invitée à la conversation : elle recevra ce message en y entrant.",
        "This person is invited to the conversation, and gets this message on coming in.",
    ),
    "not_joined_yet": (
        "Pas encore remis : cette personne n'a pas encore accepté l'invitation à la conversation. Ce message l'attend. "
        "Si c'est urgent, appelez.",
        "Not delivered yet: this person has not accepted the invitation to the conversation so far. The message waits "
        "for them; if it is urgent, call.",
    ),
    "too_many_members": ("Trop de participants dans cette conversation.", "Too many members in this conversation."),
    "no_ghost": (
        "Cette personne n'a ni numéro RPPS ni adresse assez courte : elle ne peut pas être représentée dans Matrix.",
        "This person has no RPPS number and no address that is short enough, and cannot be represented on Matrix.",
    ),
    # the API
    "unknown_token": ("Jeton d'accès inconnu.", "Unknown access token."),
    "client_certificate": (
        "Le certificat client n'est pas celui de ce produit.",
        "The client certificate is not this product's.",
    ),
    "rate_limited": (
        "Trop de demandes. Réessayez après le délai indiqué.",
        "Too many requests. Try again after the time given.",
    ),
    "invalid": ("La demande contient une valeur incorrecte.", "The request holds a wrong value."),
    "bad_json": ("Le corps n'est pas du JSON valide.", "The body is not valid JSON."),
    "wrong_type": ("Envoyez du JSON (application/json).", "Send JSON (application/json)."),
    "unavailable": (
        "Le service est momentanément indisponible. Réessayez.",
        "The service is unavailable for the moment. Try again.",
    ),
    # what an operator asks
    "no_such_delivery": (
        "Rien n'attend sous ce nom : c'est parti, ou cela n'a jamais été.",
        "Nothing waits by this name: it is out, or never was.",
    ),
    "delivery_under_way": (
        "Cette remise est en cours : réessayez dans un instant.",
        "This delivery is just being handed out: try again in a moment.",
    ),
    "nothing_by_this_name": ("Aucun réseau ne connaît ce nom.", "No network knows this name."),
    # a product's tokens and its log
    "bad_end": (
        "La fin des anciens est dans les 90 prochains jours.",
        "The end of the old ones is in the next 90 days.",
    ),
    "too_many_keys": (
        "Trop de jetons ou de secrets sont valables : attendez la fin des anciens.",
        "Too many tokens or secrets are good: wait until old ones end.",
    ),
    "no_event_log": (
        "Ce produit n'a pas de journal : l'exploitant le met en place (events_kept_days).",
        "This product has no event log: the hub's operator sets it up (events_kept_days).",
    ),
    "unknown_event": (
        "Cet événement n'est pas, ou plus, dans le journal de ce produit.",
        "This event is not, or no longer, in this product's log.",
    ),
    "no_webhook": (
        "Ce produit n'a pas d'adresse de webhook : il lit le journal.",
        "This product has no address for webhooks: it reads the log.",
    ),
    "keys_changed": (
        "Les jetons ou les secrets ont changé entre-temps : rien n'a été fait. Regardez à nouveau.",
        "The tokens or secrets have changed meanwhile: nothing was done. Look again.",
    ),
    "product_reads": (
        "Ce produit lit lui-même ses événements en ce moment : il peut relire depuis le curseur de son choix.",
        "This product reads its events by itself at this moment: it can read again from any cursor.",
    ),
    "too_many_events": (
        "Trop d'événements à la fois : renvoyez-les en plusieurs parties.",
        "Too many events at once: send them again in parts.",
    ),
}
