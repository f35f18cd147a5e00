"""Pure: one thing that differs, why it matters and what to do, in French or English, out of ``reasons.yaml``."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Any, Literal

import yaml

Language = Literal["fr", "en"]
_LEVELS = {
    "danger": {"fr": "DANGER", "en": "DANGER"},
    "fault": {"fr": "DÉFAUT", "en": "FAULT"},
    "note": {"fr": "NOTE", "en": "NOTE"},
}
_SETTING = {
    "fr": ("{where} : {key} vaut {is_}", "{where} : {key} manque", "écrire `{wanted}`, relancer Synapse", "ôter {key}"),
    "en": ("{where}: {key} is {is_}", "{where}: {key} is missing", "write `{wanted}`, restart Synapse", "remove {key}"),
}  # fmt: skip
_DONE = {
    "fr": ("conforme : {n} points regardés, rien à changer", "{danger} dangers, {fault} défauts, {note} notes"),
    "en": ("conforming: {n} points looked at, nothing to change", "{danger} dangers, {fault} faults, {note} notes"),
}


@dataclass(frozen=True, slots=True)
class Deviation:
    """``reason``: a name of reasons.yaml; ``seen``: what fills in its sentences."""

    reason: str
    seen: Mapping[str, str] = field(default_factory=dict)

    @property
    def level(self) -> str:
        """``danger``, ``fault`` or ``note``."""
        return str(_reason(self.reason)["level"])


def differs(reason: str, **seen: object) -> Deviation:
    """What was seen elsewhere than in a setting."""
    return Deviation(reason, {name: str(value) for name, value in seen.items()})


def setting(where: str, path: tuple[str, ...], is_: Any, wanted: Any) -> Deviation:
    """A setting of homeserver.yaml; None: it is missing, or should be."""
    seen = {"where": where, "key": ".".join(path)}
    if is_ is not None:
        seen["is_"] = "…" if _secret(path) else short(is_)
    if wanted is not None:
        seen["wanted"] = written(path, wanted)
    return Deviation(reason_of(path), seen)


def reason_of(path: tuple[str, ...]) -> str:
    """The reason of a setting, else of the section above it."""
    for end in range(len(path), 0, -1):
        if ".".join(path[:end]) in reasons():
            return ".".join(path[:end])
    return "setting.other"


def _secret(path: tuple[str, ...]) -> bool:
    return any(part.endswith(("_secret", "password", "pepper", "_token", "_key")) for part in path)


def short(value: Any) -> str:
    """A value as YAML has it, in a line."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 80 else text[:79] + "…"


def written(path: tuple[str, ...], value: Any) -> str:
    """A setting as it stands in a file, in one line."""
    for part in reversed(path):
        value = {part: value}
    text = yaml.safe_dump(value, default_flow_style=True, allow_unicode=True, width=10_000).strip()
    return text[1:-1]


@cache
def reasons() -> Mapping[str, Any]:
    """The whole catalogue."""
    text = files(__package__).joinpath("reasons.yaml").read_text("utf-8")
    found: dict[str, Any] = yaml.safe_load(text)
    return found


def _reason(name: str) -> Mapping[str, Any]:
    found: Mapping[str, Any] = reasons()[name]
    return found


def lines(found: Iterable[Deviation], language: Language, looked: int) -> Iterator[str]:
    """As they are printed, what is dangerous first; at the end how it stands."""
    order = list(_LEVELS)
    all_ = sorted(found, key=lambda one: order.index(one.level))
    for one in all_:
        yield from _lines(one, language)
    whole, counted = _DONE[language]
    counts = {level: sum(one.level == level for one in all_) for level in order}
    yield counted.format(**counts) if all_ else whole.format(n=looked)


def _lines(one: Deviation, language: Language) -> Iterator[str]:
    reason = _reason(one.reason)
    is_, missing, write, remove = _SETTING[language]
    seen = reason["seen"][language] if "seen" in reason else is_ if "is_" in one.seen else missing
    mend = reason["mend"][language] if "mend" in reason else write if "wanted" in one.seen else remove
    yield f"{_LEVELS[one.level][language]:8}{seen.format(**one.seen)}"
    yield f"        {reason[language].format(**one.seen)}"
    yield f"        → {mend.format(**one.seen)}"
