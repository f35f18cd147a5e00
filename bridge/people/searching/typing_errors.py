"""Words that differ by one typing error: a letter missing, doubled, wrong, or out of place. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from string import ascii_lowercase

from rapidfuzz.distance import OSA

SHORTEST = 4
"""Letters of a word in which an error is looked for: shorter ones are near to too many."""


def one_off(word: str) -> set[str]:
    """Every word at one error from this one."""
    found = set(_changed(word))
    found.discard(word)
    return found


def _changed(word: str) -> Iterator[str]:
    for place in range(len(word) + 1):
        begin, rest = word[:place], word[place:]
        if rest:
            yield begin + rest[1:]
        if len(rest) > 1:
            yield begin + rest[1] + rest[0] + rest[2:]
        for letter in ascii_lowercase:
            yield begin + letter + rest
            if rest:
                yield begin + letter + rest[1:]


def wrong_letter(word: str, other: str) -> bool:
    """Whether two words at one error differ by one letter for another."""
    return len(word) == len(other) and sorted(word) != sorted(other)


def alike(word: str, known: Collection[str], most: int) -> list[tuple[int, str]]:
    """Those of known words that differ by at most so many errors, the nearest first, with their number."""
    found = [(OSA.distance(word, other, score_cutoff=most), other) for other in known]
    return sorted(pair for pair in found if pair[0] <= most)
