"""An export of a conversation, as a page that people read; and that a conversation ends."""

EXPORT_WORDS: dict[str, tuple[str, str]] = {
    "recipient_erased": (
        "Ce professionnel a fait effacer ses données : il ne reçoit plus rien ici.",
        "This professional has had their data erased, and gets nothing here any more.",
    ),
    "conversation_in_use": (
        "Un message attend encore dans cette conversation.",
        "A message still waits in this conversation.",
    ),
    "retention_ends": (
        "Personne n'écrit plus ici : le relais effacera la conversation dans {days} jour(s). Un message la conserve.",
        "Nobody writes here any more: the hub will erase this conversation in {days} day(s). A message keeps it.",
    ),
    "export_title": ("Conversation exportée", "Exported conversation"),
    "export_made": ("Export du", "Exported on"),
    "export_members": ("Participants", "Members"),
    "export_count": ("Messages", "Messages"),
    "export_unreadable": (
        "Message illisible : sa clé n'est pas conservée ici.",
        "Unreadable message: its key is not here.",
    ),
    "export_removed": ("Message supprimé.", "Message taken back."),
    "export_edited": ("modifié", "edited"),
    "export_file": ("Fichier non inclus dans l'export :", "File not included in the export:"),
    "export_reaction": ("Réaction", "Reaction"),
    "export_joined": ("a rejoint la conversation", "joined the conversation"),
    "export_left": ("a quitté la conversation", "left the conversation"),
    "export_invited": ("a été invité(e)", "was invited"),
    "export_check": (
        "Ce dossier se vérifie : liaison conversation verify DOSSIER --key CLÉ",
        "To verify: liaison conversation verify",
    ),
    "export_lost": ("Messages illisibles", "Unreadable messages"),
}
