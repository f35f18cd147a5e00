"""The two ways in which the hub cannot do something: never (Refused) and not now (Unavailable)."""

from __future__ import annotations


class Refused(Exception):
    """It will never work as asked; tell the one who asked, do not retry.

    ``code`` is a stable machine word (``unknown_recipient``), explained in French and English by
    :mod:`bridge.words`; ``field`` names the part of the request that is wrong, as a dotted path.
    Neither may hold message text or secrets: both are shown outside and logged.
    """

    def __init__(self, code: str, field: str | None = None, *, about: str = "") -> None:
        super().__init__(code)
        self.code = code
        self.field = field
        # What helps the reader (an address, a size, the name of a file), never content. It is shown, and in no log.
        self.about = about


class Unavailable(Exception):
    """It does not work now; the same call may work later. ``retry_after`` is in seconds, None if unknown.

    ``alone``: this call alone has to wait (for a room, for a device, for the hub itself). The network works as far as
    this failure tells, and everything else may go on. Without it the failure counts against the whole network.
    ``told``: whoever waits learns the code at once, as people can do something about it; it has words.
    ``kept``: nothing has failed, nobody is there yet. The hub keeps the message, and whatever is behind it in its lane,
    until :meth:`bridge.receiver.Signals.came`; other networks do not wait for its place.
    """

    def __init__(
        self,
        code: str,
        retry_after: float | None = None,
        *,
        alone: bool = False,
        told: bool = False,
        kept: bool = False,
    ) -> None:
        super().__init__(code)
        self.code = code
        self.retry_after = retry_after
        self.alone = alone or kept
        self.told = told
        self.kept = kept


def where(bug: BaseException) -> str:
    """The kind and place of an unexpected error, without its text (which may hold content)."""
    trace, place = bug.__traceback__, ""
    while trace is not None:
        place = f"{trace.tb_frame.f_code.co_filename.rpartition('/')[2]}:{trace.tb_lineno}"
        trace = trace.tb_next
    return f"{type(bug).__name__} at {place}"


def said(error: Exception) -> str:
    """An error in one line for an operator: with the file's name where there is one, without numbers."""
    if isinstance(error, OSError) and error.strerror:
        return f"{error.strerror}: {error.filename}" if error.filename else error.strerror
    return str(error)
