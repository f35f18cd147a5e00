"""What to do about a line that a configuration was refused with, where the line says only what is wrong."""

from __future__ import annotations

import re

from appservice.process.checking.findings import Finding, bad

_REMEDIES = (
    (r"did you mean|take the #|did not mean", ""),
    (r"there is no such option", "compare name and indentation with hub.example.yaml"),
    (r": is missing", "hub.example.yaml shows it, with what it means"),
    (r"is no section", "its options stand below its name, indented by two spaces"),
    (r"PermissionError|Permission denied", "let the hub's user read it: chown root:liaison FILE && chmod 640 FILE"),
    (
        r"seal\.keys.*(cannot read|is empty|must be 32 bytes)",
        "put the file back from the backup; only for a hub that has never run: liaison key > FILE",
    ),
    (r"_token.*(cannot read|is empty)", "openssl rand -hex 32 > FILE, then `liaison registration` for the homeserver"),
    (r"webhook_secrets", "`liaison token` prints a secret: all from whsec_ on, the same on both sides"),
    (r"directory\.flatfile: No such file", "put your people there, with the columns of deploy/people.csv"),
    (r"must be 11 digits", "write the number with all its digits; a spreadsheet must take the column for text"),
    (r"no column|is no CSV|name is empty|must read|already somebody's", "compare the line with deploy/people.csv"),
    (r"No such file|FileNotFoundError|IsADirectoryError", "correct the path, or put the file there"),
    (r"should match pattern|Input should", "hub.example.yaml shows how it is written"),
    (r"no YAML", "look at that line and the one above it: a colon without a space, an open quote or bracket"),
)


def fault(line: str) -> Finding:
    """The line, with its remedy if one is known."""
    return bad(line, next((remedy for pattern, remedy in _REMEDIES if re.search(pattern, line)), ""))
