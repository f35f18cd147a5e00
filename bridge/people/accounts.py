"""The accounts that products declare, in memory: who is behind an address, and how a person is reached, in order."""

from __future__ import annotations

from bisect import insort
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from bridge.model import Address, Standing
from bridge.people.revocations import Revocations
from bridge.vouching import Proof


@dataclass(frozen=True, slots=True)
class _Declared:
    address: Address
    person: str
    at: int
    proof: Proof

    @property
    def order(self) -> tuple[int, str, str]:
        return self.at, self.address.network, self.address.id


def _any(network: str) -> Proof | None:
    return Proof.WORD


class Accounts:
    """What is on disk, as it is now. An account that is not active gives no identity and reaches nobody."""

    def __init__(self) -> None:
        self._known: dict[Address, _Declared] = {}
        self._of: dict[str, list[_Declared]] = {}  # by person, the oldest first
        self._apart: dict[Address, Standing] = {}  # the few that are not active
        self.revoked = Revocations()
        self._blocked: dict[Address, set[str]] = {}
        self.demanded: Callable[[str], Proof | None] = _any
        """The proof that a product's accounts need to be believed; None: the product takes no part."""
        self.changes = 0
        """How often something of it has changed."""

    def remember(
        self, address: Address, person: str, at: int, standing: Standing = Standing.ACTIVE,
        proof: Proof | None = None,
    ) -> None:  # fmt: skip
        """An account that was declared at ``at`` (ms); a repetition changes nothing but its standing and ``proof``.

        ``proof`` None: as before; for somebody new the product's word.
        """
        old = self._known.get(address)
        if proof is None:
            proof = old.proof if old is not None and old.person == person else Proof.WORD
        if old is None or (old.person, old.at, old.proof) != (person, at, proof):
            if old is not None:
                self._forget(old)
                if old.person != person:
                    self._blocked.pop(address, None)
            declared = self._known[address] = _Declared(address, person, at, proof)
            if person in self._of:
                insort(self._of[person], declared, key=lambda one: one.order)
            else:
                self._of[person] = [declared]
        self.settle(address, standing)

    def _forget(self, old: _Declared) -> None:
        self._of[old.person].remove(old)
        if not self._of[old.person]:
            del self._of[old.person]

    def block(self, address: Address, person: str, on: bool) -> None:
        """An account wants nothing, or all again, of what a person (id) says."""
        if on:
            self._blocked.setdefault(address, set()).add(person)
        elif (known := self._blocked.get(address)) is not None:
            known.discard(person)

    def blocks(self, address: Address, person: str) -> bool:
        """Whether an account wants nothing of what a person (id) says."""
        known = self._blocked.get(address)
        return known is not None and person in known

    def drop(self, address: Address) -> None:
        """Nobody's any more."""
        if (old := self._known.pop(address, None)) is not None:
            self._forget(old)
            self._apart.pop(address, None)
            self._blocked.pop(address, None)
            self.changes += 1

    def settle(self, address: Address, standing: Standing) -> None:
        """The standing of an account has been decided."""
        self.changes += 1
        if standing is Standing.ACTIVE:
            self._apart.pop(address, None)
        else:
            self._apart[address] = standing

    def person(self, address: Address) -> str | None:
        """The person id that a product has declared for an address, whatever became of that."""
        declared = self._known.get(address)
        return None if declared is None else declared.person

    def since(self, address: Address) -> int | None:
        """When an address was declared for the person that it is declared for now (ms)."""
        declared = self._known.get(address)
        return None if declared is None else declared.at

    def standing(self, address: Address) -> Standing:
        """Of a declared account; what nobody has declared is contested by nobody."""
        return self._standing(address, self._known.get(address))

    def _standing(self, address: Address, declared: _Declared | None) -> Standing:
        if declared is not None and self.revoked.of(address, declared.person) is not None:
            return Standing.REVOKED
        apart = self._apart.get(address) if self._apart else None
        return self._short(declared) if apart is None and declared is not None else apart or Standing.ACTIVE

    def holds(self, person: str, address: Address) -> bool:
        """Whether an address may be used for a person (id); asked for each recipient of each message."""
        declared = self._known.get(address)
        if declared is None:
            if self.revoked.of(address, person) is not None:
                return False
        elif declared.person != person:
            return False
        return self._standing(address, declared) is Standing.ACTIVE

    def _short(self, declared: _Declared) -> Standing:
        """Whether the federation's list believes as much as the product says."""
        demanded = self.demanded(declared.address.network)
        if demanded is None:
            return Standing.UNLISTED
        return Standing.UNPROVEN if declared.proof < demanded else Standing.ACTIVE

    def proof(self, address: Address) -> Proof:
        """How strongly an account is bound to the person that it is declared for."""
        declared = self._known.get(address)
        return Proof.WORD if declared is None else declared.proof

    def judged_anew(self) -> None:
        """What is demanded of products has changed."""
        self.changes += 1

    def place(self, person: str, now: int) -> int:
        """The time (ms) that puts an account after all that a person has: two things may happen in one millisecond."""
        known = self._of.get(person)
        return max(now, known[-1].at + 1) if known else now

    def closed(self, address: Address) -> str:
        """Why nothing reaches an account by the federation's list: a code of :mod:`bridge.words`, or empty."""
        return {Standing.UNLISTED: "product_not_listed", Standing.UNPROVEN: "recipient_unproven"}.get(
            self.standing(address), ""
        )

    def apart(self, address: Address) -> bool:
        """Whether an account is held, refused or revoked."""
        return self.standing(address) is not Standing.ACTIVE

    def _active(self, person: str) -> list[_Declared]:
        return [one for one in self._of.get(person, ()) if not self.apart(one.address)]

    def of(self, person: str) -> list[Address]:
        """The active accounts of a person, in the order of their declaration: the same after every start."""
        return [one.address for one in self._active(person)]

    def at(self, network: str, person: str) -> list[Address]:
        """Every account of a person in one product, active or not."""
        return [one.address for one in self._of.get(person, ()) if one.address.network == network]

    def networks(self, person: str) -> set[str]:
        """The products in which a person has an active account."""
        return {one.address.network for one in self._active(person)}

    def people(self) -> Iterator[str]:
        """The ids of everybody with an active account."""
        return (person for person in self._of if self._active(person))
