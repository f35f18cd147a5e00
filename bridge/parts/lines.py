"""Names in one line: what people call themselves or a conversation, safe to be shown within a sentence. Pure."""

from __future__ import annotations

_JOINER = "\u200d"  # joins what makes one picture: a doctor is a woman and a sign


def one_name(text: str, longest: int) -> str:
    """At most ``longest`` characters in one line; without those that control a screen or turn a line's direction."""
    name = " ".join("".join(c if c.isprintable() or c == _JOINER else " " for c in text).split())
    return name if len(name) <= longest else name[: longest - 1].rstrip() + "…"
