"""What people read about groups. French, then English."""

from __future__ import annotations

TEAM_WORDS: dict[str, tuple[str, str]] = {
    "picture_not_carried": ("L'image de la conversation n'a pas été transmise.", "The picture was not carried."),
    "picture_too_large": (
        "L'image de la conversation est trop volumineuse (1 Mo au plus).",
        "The picture of the conversation is too large (1 MB at most).",
    ),
    "bad_picture": (
        "L'image de la conversation doit être un fichier PNG, JPEG, GIF ou WebP.",
        "The picture of a conversation has to be a PNG, JPEG, GIF or WebP file.",
    ),
    "picture_of_patient": (
        "Cette conversation porte le nom d'un patient : elle n'a pas d'image, que des serveurs pourraient lire.",
        "This conversation has a patient's name: it has no picture, which servers could read.",
    ),
    "pictures_it_room_keeps": (
        "change l'image de cette conversation ; le salon garde la sienne, que seuls ses administrateurs changent",
        "changes the picture of this conversation; the room keeps its own, which only its administrators change",
    ),
}
