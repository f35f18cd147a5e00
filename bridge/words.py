"""What people read, French first: one catalogue of every sentence that leaves the hub."""

from __future__ import annotations

from bridge.asking import ASKING
from bridge.on_duty import ON_DUTY
from bridge.problems import PROBLEMS

_UNKNOWN = ("La demande ne peut pas aboutir.", "The request cannot be carried out.")

IN_TIME = frozenset({"taken_back", "taken_back_late", "corrected", "corrected_late"})  # one word is enough for all
GOOD_NEWS = IN_TIME | {"at_last", "identity_accepted", "own_account"}  # no failures

WORDS: dict[str, tuple[str, str]] = {
    **PROBLEMS,
    **ON_DUTY,
    **ASKING,
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
    "call_not_carried": (
        "Les appels ne passent pas par ce salon : personne ne l'entend sonner. Téléphonez.",
        "Calls do not go through this room: nobody hears it ring. Use the telephone.",
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
    "internal_error": (
        "Une erreur interne empêche la remise. Joignez le destinataire autrement ; l'exploitant est alerté.",
        "An internal error prevents delivery. Reach the recipient another way; the operator is alerted.",
    ),
    "same_network": (
        "Cette personne utilise le même produit que vous : écrivez-lui directement.",
        "This person uses the same product as you: write to them directly.",
    ),
    # mail
    "mail_domain_not_trusted": (
        "Ce domaine n'est pas dans l'espace de confiance MSSanté, ou pas ouvert ici (usagers) : rien n'est parti. "
        "Vérifiez l'adresse.",
        "This domain is not in the MSSanté trust space, or not open here (citizens): nothing left. Check the address.",
    ),
    "mail_peer_not_trusted": (
        "Le serveur de ce destinataire n'a pas pu être vérifié : rien n'a été envoyé. Joignez-le autrement.",
        "The recipient's server could not be verified: nothing was sent. Reach them another way.",
    ),
    "mail_unknown_box": (
        "Cette boîte n'existe pas ou n'est plus ouverte. Vérifiez l'adresse.",
        "This mailbox does not exist or is closed. Check the address.",
    ),
    "mail_own_box": (
        "Cette adresse est celle d'un professionnel relié à Liaison. Invitez-le lui-même (nom ou numéro RPPS).",
        "This is the address of a professional connected to Liaison. Invite the person, by name or RPPS number.",
    ),
    "mail_team_box": (
        "Cette adresse est celle d'une équipe. Écrivez-lui depuis une boîte MSSanté, ou invitez l'un de ses membres.",
        "This is the address of a team. Write to it from a secure mailbox, or invite one of its members.",
    ),
    "mail_room_box": (
        "Cette adresse est celle d'une conversation. Écrivez dans la conversation, ou nommez les personnes.",
        "This is the address of a conversation. Write in the conversation, or name the people.",
    ),
    "mail_box_full": (
        "La boîte du destinataire est pleine. Joignez-le autrement.",
        "The recipient's mailbox is full. Reach them another way.",
    ),
    "mail_too_large": (
        "Le message est trop volumineux pour cette messagerie. Envoyez moins de documents à la fois.",
        "The message is too large for this mailbox. Send fewer documents at a time.",
    ),
    "mail_refused": (
        "La messagerie du destinataire a refusé le message. Joignez-le autrement.",
        "The recipient's mail operator refused the message. Reach them another way.",
    ),
    "mail_gave_up": (
        "Le message n'a pas pu être remis à la messagerie du destinataire. Joignez-le autrement.",
        "The message could not be handed to the recipient's mail operator. Reach them another way.",
    ),
    "bad_address": (
        "Cette adresse contient des caractères que la messagerie ne transmet pas : rien ne lui est parti. "
        "Demandez-en une sans accent.",
        "This address has characters that mail does not carry: nothing was sent to it. Ask for one in plain letters.",
    ),
    "bad_header": (
        "Ce message ne peut pas s'écrire comme un mail : rien n'est parti. Envoyez-le sans pièce jointe ni réponse.",
        "This message cannot be written as a mail: nothing was sent. Send it without attachment or reply.",
    ),
    "bad_message_id": (
        "Le mail auquel ceci répond a un identifiant incorrect : rien n'est parti. Envoyez-le hors du fil.",
        "The mail that this answers has a wrong id: nothing was sent. Send it outside of the thread.",
    ),
    "mail_copy_unwritten": (
        "Ce message n'a pas pu être recopié vers cette boîte : elle ne l'a pas. Envoyez-le-lui directement.",
        "This message could not be copied to this mailbox, which does not have it. Send it there directly.",
    ),
    "taken_back": (
        "Retiré à temps : rien n'est parti.",
        "Taken back in time: nothing was sent.",
    ),
    "taken_back_late": (
        "Retiré : le message ne sera plus envoyé. Un premier envoi était resté sans réponse : si votre correspondant a "
        "pu le recevoir, prévenez-le.",
        "Taken back: the message will not be sent any more. A first attempt had no answer: if the other person may "
        "have received it, tell them.",
    ),
    "corrected": (
        "Corrigé à temps : seul le nouveau texte part.",
        "Corrected in time: only the new text leaves.",
    ),
    "corrected_late": (
        "Corrigé : le nouveau texte part à la place de l'ancien. Un premier envoi était resté sans réponse : si votre "
        "correspondant a pu recevoir l'ancien texte, prévenez-le.",
        "Corrected: the new text leaves instead of the old one. A first attempt had no answer: if the other person may "
        "have received the old text, tell them.",
    ),
    "mail_doubtful_report": (
        "Une autre boîte aux lettres affirme que ce message n'est pas arrivé : ce n'est pas prouvé. Demandez au "
        "destinataire s'il l'a reçu.",
        "Another mailbox says that this message did not arrive, which proves nothing. Ask the recipient.",
    ),
    "mail_failed_unknown": (
        "Un message n'a pas été remis ; le rapport ne dit pas lequel. Vérifiez vos derniers messages.",
        "A message was not delivered, and the report does not say which one. Check your last messages.",
    ),
    "mail_delayed": (
        "Pas encore remis à la messagerie du destinataire ; les essais continuent. Si c'est urgent, téléphonez.",
        "Not yet handed to the recipient's mail operator; we keep trying. If it is urgent, telephone.",
    ),
    "mail_edit_late": (
        "L'ancien texte est déjà parti par mail ; la correction partira avec votre prochain message. "
        "Si c'est important, écrivez-le maintenant.",
        "The old text has already left by mail; the correction leaves with your next message. "
        "If it matters, write it now.",
    ),
    "mail_removal_late": (
        "Ce message est déjà parti par mail ; votre prochain message dira qu'il est retiré. "
        "Si c'est important, écrivez-le maintenant.",
        "This message has already left by mail; your next message will say that it is taken back. "
        "If it matters, write it now.",
    ),
    "mail_not_integrated": (
        "Le logiciel du destinataire n'a pas pu intégrer le document. Joignez-le autrement.",
        "The recipient's software could not take the document in. Reach them another way.",
    ),
    "xdm_several_patients": (
        "Documents de patients différents dans un même message : rien n'a été envoyé. Envoyez un message par patient.",
        "Documents of different patients in one message: nothing was sent. Send one message for each patient.",
    ),
    "xdm_other_patient": (
        "Ce fil parle d'un autre patient : le document n'est pas parti. Envoyez-le hors du fil, dans la conversation.",
        "This thread is about another patient: the document was not sent. Send it outside of the thread.",
    ),
    "xdm_no_document": (
        "/xdm : aucun document CDA n'est joint, rien n'a été envoyé. Joignez-le au même message, ou retirez /xdm.",
        "/xdm: no CDA document is attached, nothing was sent. Attach it to the same message, or leave /xdm out.",
    ),
    "xdm_no_patient_id": (
        "Ce document CDA ne dit pas de quel patient il s'agit : rien n'a été envoyé. Corrigez-le, ou retirez /xdm.",
        "This CDA document does not identify its patient: nothing was sent. Correct it, or leave /xdm out.",
    ),
    "xdm_unreadable": (
        "Ce document CDA est illisible : rien n'a été envoyé. Vérifiez-le, ou retirez /xdm pour l'envoyer tel quel.",
        "This CDA document cannot be read: nothing was sent. Check it, or leave /xdm out to send it as it is.",
    ),
    "xdm_too_many": (
        "Trop de documents pour un seul envoi : rien n'a été envoyé. Répartissez-les sur plusieurs messages.",
        "Too many documents for one mail: nothing was sent. Send them in several messages.",
    ),
    "apicrypt_v1": (
        "Message chiffré par Apicrypt v1 : Liaison ne peut pas l'ouvrir. Demandez un envoi par MSSanté (Apicrypt v2).",
        "Encrypted with Apicrypt v1: Liaison cannot open it. Ask for a mail through MSSanté (Apicrypt v2).",
    ),
    "codec_refused": (
        "Le codec Apicrypt du site n'a pas pu ouvrir ce message. Demandez un envoi par MSSanté (Apicrypt v2).",
        "The site's Apicrypt codec could not open this message. Ask for a mail through MSSanté (Apicrypt v2).",
    ),
    "codec_too_large": (
        "Message Apicrypt trop volumineux une fois ouvert. Demandez moins de documents à la fois.",
        "The Apicrypt message is too large once opened. Ask for fewer documents at a time.",
    ),
    "codec_missing": (
        "Le codec Apicrypt du site est introuvable. L'exploitant doit vérifier networks.mail.apicrypt.argv.",
        "The site's Apicrypt codec is not there. The operator should check networks.mail.apicrypt.argv.",
    ),
    "codec_timeout": (
        "Le codec Apicrypt du site n'a pas répondu à temps. Le message sera présenté à nouveau.",
        "The site's Apicrypt codec did not answer in time. The message will be tried again.",
    ),
    "codec_later": (
        "Le codec Apicrypt du site est occupé. Le message sera présenté à nouveau.",
        "The site's Apicrypt codec is busy. The message will be tried again.",
    ),
    # files
    "files_too_large": (
        "Les fichiers sont trop volumineux pour être transmis. Envoyez-les en plusieurs messages, ou réduisez-les.",
        "The files are too large to be carried. Send them in several messages, or make them smaller.",
    ),
}


def say(code: str) -> tuple[str, str]:
    """The French and the English sentence for a code."""
    return WORDS.get(code, _UNKNOWN)


_LANGUAGES = {"both": slice(0, 2), "fr": slice(0, 1), "en": slice(1, 2)}
_spoken = ["both"]  # by this process: a hub serves one house


def speak(language: str) -> None:
    """From now on people read ``fr``, ``en``, or ``both`` (French first)."""
    _spoken[0] = language


def sentence(code: str, between: str = "\n") -> str:
    """The sentence for a code in the languages of this hub."""
    return between.join(say(code)[_LANGUAGES[_spoken[0]]])


def notice(code: str, name: str = "", count: int = 1) -> str:
    """A notice for a room, in the languages of this hub; never content.

    ``name`` is the person whom it is about, never the one who reads it. ``count``: so many messages fared alike.
    """
    prefix = (f"{name} : " if name else "") + (f"{count} × " if count > 1 else "")
    return f"{'ℹ️' if code in GOOD_NEWS else '⚠️'} {prefix}{sentence(code)}"
