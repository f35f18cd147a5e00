"""format=flowed: paragraphs that a mail program broke into lines, whole again (RFC 3676). Pure."""

from __future__ import annotations


def unflow(text: str, delete_space: bool = False) -> str:
    """The text with flowed lines joined; quote marks stay, one ``> `` per level; ``-- `` never flows.

    ``delete_space``: the parameter ``DelSp``, for scripts without spaces between words.
    """
    out: list[str] = []
    flowing = -1  # the quote depth of the open paragraph, -1: none is open
    for line in text.split("\n"):
        depth, content = _quoted(line)
        open_after = content.endswith(" ") and content != "-- "
        if delete_space and open_after:
            content = content[:-1]
        if flowing == depth and content != "-- ":
            out[-1] += content
        else:
            out.append("> " * depth + content if content or not depth else (">" + " >" * (depth - 1)))
        flowing = depth if open_after else -1
    return "\n".join(out)


def _quoted(line: str) -> tuple[int, str]:
    """How deep a line is quoted, and what it says without marks and stuffing (RFC 3676 §4.4)."""
    content = line.lstrip(">")
    return len(line) - len(content), content[1:] if content.startswith(" ") else content
