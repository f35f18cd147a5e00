"""One YAML file: read, checked, explained. Secrets come from files or the environment, never from the YAML itself."""

from __future__ import annotations

import base64
import difflib
import os
import re
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from bridge.parts.patience import Patience
from bridge.seal import Seal
from bridge.sections import Seconds as Seconds
from bridge.sections import Section as Section
from bridge.trail.rules import TrailRules

M = TypeVar("M", bound=BaseModel)


class BadConfig(Exception):
    """The configuration cannot be used; the text says in one line a problem what is wrong and where."""


class DatabaseSettings(Section):
    """Where everything is kept."""

    url: str = "sqlite:////var/lib/liaison/hub.db"


class SealSettings(Section):
    """The keys that encrypt at rest: ``keys`` maps an id to a file of 32 bytes in base64 (or ``env:NAME``)."""

    active: str
    keys: dict[Annotated[str, Field(pattern=r"^[A-Za-z0-9-]{1,32}$")], str] = Field(min_length=1)

    @model_validator(mode="after")
    def _active_is_known(self) -> SealSettings:
        if self.active not in self.keys:
            raise ValueError(f"active: {self.active!r} is not among the keys")
        return self

    def open(self) -> Seal:
        """The seal. Raises BadConfig."""
        return Seal({name: _key(name, source) for name, source in self.keys.items()}, self.active)


def _key(name: str, source: str) -> bytes:
    text = read_secret(source, f"seal.keys.{name}")
    try:
        key = base64.b64decode(text, validate=True)
    except ValueError:
        key = b""
    if len(key) != 32:
        raise BadConfig(f"seal.keys.{name}: the key must be 32 bytes in base64 (liaison key makes one)")
    return key


def read_secret(source: str, where: str) -> str:
    """A secret from ``env:NAME``, ``file:/path`` or a plain path. Raises BadConfig that names ``where``."""
    if source.startswith("env:"):
        name = source.removeprefix("env:")
        if not (value := os.environ.get(name, "").strip()):
            raise BadConfig(f"{where}: the environment variable {name} is not set")
        return value
    path = Path(source.removeprefix("file:"))
    try:
        value = path.read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise BadConfig(f"{where}: cannot read {path} ({type(error).__name__})") from None
    if not value:
        raise BadConfig(f"{where}: {path} is empty")
    return value


_SECURE = r"https://\S+|http://(localhost|127\.0\.0\.1)(:\d+)?/\S*"


class DirectoryApiSettings(Section):
    """The FHIR API of the national directory. ``key`` is ``file:/path`` or ``env:NAME``."""

    url: str = "https://gateway.api.esante.gouv.fr/fhir/v2"
    key: str = Field(pattern=r"^(file:/.+|env:[A-Za-z_][A-Za-z0-9_]*)$", repr=False)
    ca_file: Path | None = None

    @field_validator("url")
    @classmethod
    def _address(cls, url: str) -> str:
        if not re.fullmatch(_SECURE, url):
            raise ValueError("an https:// address with its version, such as …/fhir/v2")
        return url


class DirectorySettings(Section):
    """Who is who: a CSV file, or the national directory with a CSV file of local additions and corrections.

    ``folder`` is for what an import sorts on disk. A load is held beyond ``max_removed`` and ``max_changed`` (shares of
    all people) and below ``min_lines`` (share of the lines before). A file is old after ``warn_after``.
    """

    kind: Literal["csv", "national"] = "csv"
    flatfile: Annotated[Path | None, Field(validate_default=True)] = None
    folder: Path | None = None
    max_removed: float = Field(default=0.02, ge=0, le=1)
    max_changed: float = Field(default=0.05, ge=0, le=1)
    min_lines: float = Field(default=0.9, ge=0, le=1)
    warn_after: Seconds = 26 * 3600.0
    stale_after: Seconds = 72 * 3600.0
    api: DirectoryApiSettings | None = None

    @field_validator("flatfile")
    @classmethod
    def _somebody(cls, path: Path | None, info: ValidationInfo) -> Path | None:
        if path is None and info.data.get("kind") == "csv":
            raise ValueError("is missing")
        return path


class DutySettings(Section):
    """Functions that people take in turn, and absences."""

    rota: Path | None = None


def _server(name: str) -> str:
    if name != "*" and not re.fullmatch(r"(\*\.)?[A-Za-z0-9\[][A-Za-z0-9.\[\]:-]*", name):
        raise ValueError("a server name such as chu.example, *.chu.example for its children, * for all")
    return name


class FederationSettings(Section):
    """The signed list of who takes part: at an address, or in a file. ``keys`` are files with a public key in PEM."""

    url: str | None = None
    file: Path | None = None
    keys: list[Path] = Field(min_length=1)
    state: Path
    look: Annotated[Seconds, Field(ge=1)] = 3600.0
    ca_file: Path | None = None

    @model_validator(mode="after")
    def _one_source(self) -> FederationSettings:
        if (self.url is None) == (self.file is None):
            raise ValueError("either url or file")
        if self.url is not None and not re.fullmatch(_SECURE, self.url):
            raise ValueError("url: an https:// address")
        return self


class TrustSettings(Section):
    """Who may take part: servers that are named here, and those of the federation's list."""

    matrix_servers: list[Annotated[str, AfterValidator(_server)]] = Field(
        default=[], description="server names; *.domain for its children; * for all"
    )
    federation: FederationSettings | None = None


class DeliverySettings(Section):
    """How patient the courier is."""

    first_retry: Annotated[Seconds, Field(gt=0)] = 0.5
    longest_retry: Annotated[Seconds, Field(gt=0)] = 60.0
    late: Seconds = 600.0
    give_up: Seconds = 3 * 86_400.0
    gather_reports: Seconds = 0.15
    order_wait: Seconds = 10.0
    parallel: int = Field(default=32, ge=1, le=1000)
    max_members: int = Field(default=200, ge=2, le=10_000)

    def patience(self) -> Patience:
        """For the courier."""
        return Patience(
            self.first_retry, self.longest_retry, self.give_up, self.gather_reports, self.parallel, self.late
        )


class AuditSettings(Section):
    """The audit trail. ``key_file``: the private key (PEM) that signs it, every ``checkpoint``.

    ``messages``: what became of each message for each recipient is in it. ``keep``: for how long; 0: for ever.
    """

    key_file: Path | None = None
    messages: bool = True
    checkpoint: Annotated[Seconds, Field(ge=1)] = 600.0
    keep: Seconds = 0.0

    def rules(self) -> TrailRules:
        """For the trail."""
        return TrailRules(messages=self.messages, checkpoint=self.checkpoint, keep=self.keep)


class RetentionSettings(Section):
    """How long conversations are kept after their last message (0: for ever), and how long before they are told."""

    conversations: Seconds = 0.0
    notice: Seconds = 7 * 86_400.0
    look: Annotated[Seconds, Field(gt=0)] = 3600.0


class ScanSettings(Section):
    """``files.scan``. ``clamd``: the path of a Unix socket, or ``host:port``; None: nothing is scanned."""

    clamd: str | None = Field(default=None, pattern=r"^(/.+|[^/\s]+:[0-9]{1,5})$")
    timeout: Seconds = 60.0


class FilesSettings(Section):
    """``files``: what is done for every file that comes in."""

    scan: ScanSettings = ScanSettings()
    remove_positions: bool = True


class ListenSettings(Section):
    """Where one HTTP server listens; TLS when a certificate is given, client certificates when ``client_ca`` is.

    ``head_timeout``: s for the head of each request. ``body_timeout``: s in which nothing of its body comes.
    """

    host: str = "127.0.0.1"
    port: int = Field(ge=0, le=65_535)
    certificate: Path | None = None
    key: Path | None = None
    client_ca: Path | None = None
    max_connections: int = Field(default=1000, ge=1)
    max_per_peer: int = Field(default=500, ge=1)
    head_timeout: Annotated[Seconds, Field(gt=0)] = 20.0
    body_timeout: Annotated[Seconds, Field(gt=0)] = 60.0

    @model_validator(mode="after")
    def _tls_or_none_of_it(self) -> ListenSettings:
        for name in ("key", "client_ca"):
            if self.certificate is None and getattr(self, name) is not None:
                raise ValueError(f"{name} is given without certificate, so TLS would be off: give both")
        return self


class MatrixListenSettings(ListenSettings):
    """Where the homeserver calls."""

    port: int = Field(default=29_300, ge=0, le=65_535)


class ConnectListenSettings(ListenSettings):
    """Where products call."""

    port: int = Field(default=29_301, ge=0, le=65_535)


class ClientsListenSettings(ListenSettings):
    """Where the reverse proxy sends what Matrix clients ask about people.

    ``public_url``: the homeserver's address as clients know it; without it nothing listens.
    """

    port: int = Field(default=29_303, ge=0, le=65_535)
    public_url: str | None = Field(default=None, pattern=r"^https?://[^/]+/?$")


class MetricsListenSettings(ListenSettings):
    """Where Prometheus asks, without a password: leave it on an address that only it reaches."""

    port: int = Field(default=29_304, ge=0, le=65_535)


class WorkersSettings(Section):
    """Of hubs that run beside one another on one PostgreSQL database: one works, the others wait and hand on.

    ``host``: where the other workers reach this one; only they may.
    """

    host: str = "127.0.0.1"


class TracesSettings(Section):
    """Where the way of messages is told (OTLP over HTTP), and of which ``share`` of them."""

    url: str = Field(pattern=r"^https?://[^\s]+$")
    share: float = Field(default=1.0, gt=0, le=1)


class Config(Section):
    """The whole file. ``matrix``, ``console`` and the sections of ``networks`` are validated by their owners."""

    database: DatabaseSettings = DatabaseSettings()
    workers: WorkersSettings = WorkersSettings()
    seal: SealSettings
    directory: DirectorySettings
    duty: DutySettings = DutySettings()
    trust: TrustSettings = TrustSettings()
    delivery: DeliverySettings = DeliverySettings()
    files: FilesSettings = FilesSettings()
    audit: AuditSettings = AuditSettings()
    retention: RetentionSettings = RetentionSettings()
    matrix: dict[str, Any]
    matrix_listen: MatrixListenSettings = MatrixListenSettings()
    connect_listen: ConnectListenSettings = ConnectListenSettings()
    clients_listen: ClientsListenSettings = ClientsListenSettings()
    metrics_listen: MetricsListenSettings | None = None
    traces: TracesSettings | None = None
    console: dict[str, Any] | None = None
    networks: dict[str, dict[str, Any]] = {}
    language: Literal["both", "fr", "en"] = "both"
    log_format: Literal["text", "json"] = "text"
    log_level: str = Field(default="INFO", pattern="^(DEBUG|INFO|WARNING|ERROR)$")


class _Once(yaml.SafeLoader):
    """Refuses a name that is given twice in one section: YAML would drop the first without a word."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            name = str(key.value)
            if name in seen:
                raise yaml.MarkedYAMLError(problem=f"{name} is given twice", problem_mark=key.start_mark)
            seen.add(name)
        return super().construct_mapping(node, deep)


def read_config(path: Path) -> Config:
    """Read and check a file. Raises BadConfig with one line a problem."""
    return validate(Config, read_yaml(path), str(path))


def read_sections(path: Path) -> tuple[dict[str, Any], list[str]]:
    """The sections that can be used, and one line for each problem of the others. Raises BadConfig: no YAML at all."""
    raw = read_yaml(path)
    if not isinstance(raw, dict):
        raise BadConfig(f"{path}: is no mapping of sections")
    whole: dict[str, Any] = {"seal": {"active": "1", "keys": {"1": ""}}, "directory": {"flatfile": ""}, "matrix": {}}
    problems = [f"{path}: {name}: {_no_such(name)}" for name in raw if name not in Config.model_fields]
    found = {}
    for name, field in Config.model_fields.items():
        if field.is_required() and name not in raw:
            problems.append(f"{path}: {name}: is missing")
            continue
        given = whole | ({name: raw[name]} if name in raw else {})
        try:
            found[name] = getattr(validate(Config, given, str(path)), name)
        except BadConfig as problem:
            problems += str(problem).splitlines()
    return found, problems


def read_yaml(path: Path) -> Any:
    """A YAML file in which no name is given twice. Raises BadConfig with one line."""
    try:
        return yaml.load(path.read_text("utf-8"), _Once) or {}  # noqa: S506  (a SafeLoader)
    except (OSError, UnicodeDecodeError) as error:
        raise BadConfig(f"{path}: cannot be read ({type(error).__name__})") from None
    except yaml.YAMLError as error:
        mark, what = getattr(error, "problem_mark", None), "no YAML"
        if isinstance(error, yaml.MarkedYAMLError) and str(error.problem).endswith(" is given twice"):
            what = str(error.problem)
        elif "'\\t'" in str(error):
            what = "no YAML: there is a tab, use spaces"
        raise BadConfig(f"{path}: {what}{f', line {mark.line + 1}' if mark else ''}") from None


_SAID = {"missing": "is missing", "model_type": "is no section"}
_BELOW = {"connect": "networks", "mail": "networks", "products": "networks.connect", "smtp": "networks.mail"}


def _no_such(name: str) -> str:
    """A section that stands where it does not belong is mostly one above which the # was left."""
    if name in _BELOW:
        return f"there is no such option here: it belongs below {_BELOW[name]} (take the # away there, too)"
    known = difflib.get_close_matches(name, Config.model_fields, 1)
    return "there is no such option" + (f" (did you mean {known[0]}?)" if known else "")


def validate(model: type[M], raw: Any, where: str) -> M:
    """Check a section. Raises BadConfig with one line a problem, without the values."""
    try:
        return model.model_validate(raw)
    except ValidationError as error:
        lines = []
        for one in error.errors(include_input=False, include_url=False):
            place = ".".join(str(part) for part in one["loc"])
            if one["type"] == "extra_forbidden":
                lines.append(": ".join(part for part in (where, place, _no_such(str(one["loc"][-1]))) if part))
                continue
            said = _SAID.get(one["type"]) or one["msg"].removeprefix("Value error, ")
            lines.append(": ".join(part for part in (where, place, said) if part))
        raise BadConfig("\n".join(lines)) from None
