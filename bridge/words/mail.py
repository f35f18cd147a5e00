"""What people read of mails: operators, mailboxes, documents, Apicrypt. French, then English."""

from __future__ import annotations

MAIL: dict[str, tuple[str, str]] = {
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
    "superseded": (
        "Une correction plus récente de ce message est déjà en place : celle-ci ne part pas.",
        "A newer correction of this message stands already: this one does not leave.",
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
    "mail_reaction_later": (
        "Un mail ne montre pas les réactions : la vôtre sera nommée en tête du prochain message. Si une réponse est "
        "attendue, écrivez-la. (Dit une seule fois ici.)",
        "A mail shows no reactions: yours is named at the head of the next message. If an answer is expected, write "
        "it. (Said only once here.)",
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
}
