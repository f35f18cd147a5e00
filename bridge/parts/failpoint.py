"""Named places at which a test may kill the process, to prove that no crash loses or repeats a message.

Inactive unless the environment variable ``LIAISON_FAILPOINT`` holds ``name:n``: the process then kills itself
(SIGKILL) when it passes ``name`` for the n-th time. ``LIAISON_FAILPOINTS_SEEN`` names a file to which each new name is
appended, so that a test can find every place there is.
"""

from __future__ import annotations

import os
import signal

_target, _, _count = os.environ.get("LIAISON_FAILPOINT", "").rpartition(":")
_left = int(_count) if _count.isdigit() else 0
_seen_path = os.environ.get("LIAISON_FAILPOINTS_SEEN", "")
_seen: set[str] = set()
ACTIVE = bool(_target or _seen_path)


def failpoint(name: str) -> None:
    """Die here if a test asked for it."""
    global _left
    if not ACTIVE:
        return
    if _seen_path and name not in _seen:
        _seen.add(name)
        with open(_seen_path, "a", encoding="ascii") as seen:
            seen.write(name + "\n")
    if name == _target:
        _left -= 1
        if _left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
