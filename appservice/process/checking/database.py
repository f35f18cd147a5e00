"""The database: reachable, of this version, with these keys, and whose it is."""

from __future__ import annotations

from appservice.process import proof
from appservice.process.checking.findings import Finding, bad, good, remark
from bridge.db.looking import Looked
from bridge.seal import Seal


def findings(seen: Looked, seal: Seal | None) -> list[Finding]:
    """What was seen of it; a hub may be using it."""
    found = [bad(f"database.url: {what}", mend) for what, mend in seen.troubles]
    if not seen.troubles:
        found.append(good("the database can be used" + (", and a hub is using it" if seen.in_use else "")))
    found += [remark(f"database.url: {what}", mend) for what, mend in seen.remarks]
    if seal is not None:
        found += _keys(seal, seen.proofs)
    return found


def _keys(seal: Seal, proofs: dict[str, bytes]) -> list[Finding]:
    if wrong := proof.wrong(seal, proofs):
        return [bad(line) for line in proof.refusal(wrong).splitlines()]
    if gone := seal.missing(proofs):
        mend = "give it back, unless `liaison seal` has said that it may go: a start looks whether it is needed"
        return [remark(f"seal.keys: the database was used with {', '.join(gone)}, which is not there", mend)]
    return [good("the seal's keys are those of the database")] if proofs else []
