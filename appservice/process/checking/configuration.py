"""The configuration and every file that it names: each section by itself, so that one mistake hides no other."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from appservice.process import examine
from appservice.process.checking.findings import Finding, bad, good, remark
from appservice.process.checking.remedies import fault
from appservice.process.settings import MatrixSettings
from bridge.config import BadConfig, DirectorySettings, DutySettings, SealSettings, read_sections, validate
from bridge.errors import said
from bridge.model import MATRIX
from bridge.network import Network
from bridge.networks import NETWORKS, networks
from bridge.networks.connect.settings import ConnectSettings
from bridge.networks.mail.leg.settings import MailSettings
from bridge.people.directories.flatfile import FlatFile
from bridge.seal import Seal


@dataclass(slots=True)
class Read:
    """What could be read; None and missing: it cannot be used."""

    sections: Mapping[str, Any]
    matrix: MatrixSettings | None = None
    seal: Seal | None = None
    connect: ConnectSettings | None = None
    mail: MailSettings | None = None
    people: FlatFile | None = None
    findings: list[Finding] = field(default_factory=list)

    def add(self, *some: Finding) -> None:
        """Something was looked at."""
        self.findings += some

    def tried(self, what: str, work: Callable[[], Any]) -> Any:
        """What ``work`` gives, or None and a finding."""
        try:
            made = work()
        except BadConfig as problem:
            self.add(*(fault(line) for line in str(problem).splitlines()))
            return None
        except (OSError, ValueError) as error:
            text = said(error)
            self.add(fault(text if text.startswith(what) else f"{what}: {text}"))
            return None
        return made


async def read(path: Path) -> Read:
    """Read and look at everything that needs neither network nor database."""
    try:
        sections, problems = read_sections(path)
    except BadConfig as problem:
        return Read({}, findings=[fault(str(problem))])
    found = Read(sections, findings=[fault(line) for line in problems])
    if not problems:
        found.add(good(f"{path} can be read"))
    _matrix(found)
    _seal(found)
    await _people(found)
    await _rota(found)
    _networks(found)
    await _who(found)
    return found


def _matrix(found: Read) -> None:
    if (raw := found.sections.get("matrix")) is None:
        return
    found.matrix = settings = found.tried("matrix", lambda: validate(MatrixSettings, raw, "matrix"))
    if settings is not None:
        tokens = [found.tried("matrix", one) for one in (settings.read_as_token, settings.read_hs_token)]
        if None in tokens:
            found.matrix = None
        elif tokens[0] == tokens[1]:
            found.add(bad("matrix: as_token and hs_token are the same", "make another: openssl rand -hex 32"))


def _seal(found: Read) -> None:
    settings: SealSettings | None = found.sections.get("seal")
    if settings is None:
        return
    each = {
        name: found.tried("seal", SealSettings(active=name, keys={name: source}).open)
        for name, source in settings.keys.items()
    }
    if None not in each.values():
        found.seal = settings.open()
        found.add(good(f"seal: {len(each)} keys can be read"))


async def _people(found: Read) -> None:
    settings: DirectorySettings | None = found.sections.get("directory")
    if settings is None or (path := settings.flatfile) is None:
        return
    found.people = found.tried("directory.flatfile", lambda: FlatFile.read(path))
    if found.people is None:
        return
    wrong = [p.rpps or "" async for p in _everyone(found.people) if not _check_digit(p.rpps or "")]
    found.add(good("directory.flatfile can be read"))
    if wrong:
        mend = "compare them with annuaire.esante.gouv.fr: somebody else, or nobody, is behind a mistyped number"
        found.add(
            remark(f"directory.flatfile: {len(wrong)} RPPS numbers have a wrong check digit, first {wrong[0]}", mend)
        )


async def _rota(found: Read) -> None:
    """Who is on duty: the files, and who of them is in no directory."""
    settings: DutySettings | None = found.sections.get("duty")
    if settings is None or settings.rota is None:
        return
    kept = found.tried("duty.rota", lambda: examine.rota(settings))
    if kept is None:
        return
    functions = kept.now.functions
    found.add(good(f"duty.rota: {len(functions)} functions can be read"))
    for one in functions.values() if found.people is not None else ():
        assert found.people is not None
        for person in one.members:
            if person.startswith("rpps:") and await found.people.person(person) is None:
                what = f"duty.rota: {person} of {one.slug} is not in the directory"
                found.add(remark(what, "nobody reaches them on duty: correct the number, or add them"))


def _networks(found: Read) -> None:
    given: Mapping[str, Any] = found.sections.get("networks", {})
    for name in sorted(set(given) - set(NETWORKS)):
        found.add(bad(f"networks.{name}: there is no such connector; there are {' and '.join(NETWORKS)}"))
    for name, row in networks():
        if name in given or row.always:
            _network(found, f"networks.{name}", row, given.get(name, {}))
    if found.connect is not None:
        _tokens(found, found.connect)


def _network(found: Read, where: str, row: Network, raw: Any) -> None:
    section = found.tried(where, lambda: validate(row.settings, raw, where))
    if isinstance(section, ConnectSettings):
        found.connect = section
    if isinstance(section, MailSettings):
        found.mail = section
    if section is not None:
        seal = found.seal or Seal({"none": bytes(32)}, "none")  # a file that it names is no less wrong without
        found.tried(where, lambda: row.prove(section, seal))


def _tokens(found: Read, connect: ConnectSettings) -> None:
    for name, product in connect.products.items():
        if any(set(token.removeprefix("sha256:")) == {"0"} for token in product.tokens):
            mend = "`liaison token` makes a token for the product, and its hash for here"
            found.add(bad(f"networks.connect.products.{name}.tokens: this is the example's hash, nobody's", mend))


async def _who(found: Read) -> None:
    """People against networks: who is named, and can be reached by nobody."""
    connect, given = found.connect, found.sections.get("networks", {})
    if found.people is not None and (connect is not None or "connect" not in given):
        products = set(connect.products if connect is not None else ())
        mail = {"mail"} if "mail" in given else set[str]()
        missing: dict[str, int] = {}
        async for person in _everyone(found.people):
            for network in {a.network for a in person.addresses} - products - mail - {MATRIX}:
                missing[network] = missing.get(network, 0) + 1
        for network, many in sorted(missing.items()):
            what = f"directory.flatfile: {many} people have an address of {network}, which is not configured"
            section = "networks.mail" if network == "mail" else f"networks.connect.products.{network}"
            found.add(remark(what, f"add {section}, or take these addresses out of the file: they reach nobody"))
    if connect is not None and not connect.products and "mail" not in given:
        found.add(
            remark("networks: there is neither a product nor secure mail", "name one: hub.example.yaml shows how")
        )
    trust = found.sections.get("trust")
    if trust is not None and not trust.matrix_servers:
        mend = "name the servers of colleagues elsewhere, as chu.example or *.chu.example"
        found.add(remark("trust.matrix_servers: nobody of another homeserver can take part", mend))


async def _everyone(people: FlatFile) -> AsyncIterator[Any]:
    async for page in people.everyone():
        for person in page:
            yield person


def _check_digit(number: str) -> bool:
    """Luhn, as in every RPPS number."""
    digits = [int(d) for d in reversed(number)]
    return sum(d if n % 2 == 0 else sum(divmod(2 * d, 10)) for n, d in enumerate(digits)) % 10 == 0
