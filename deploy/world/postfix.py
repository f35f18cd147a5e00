"""A real operator of the secure-mail space on free ports of 127.0.0.1: Postfix for its mail, Dovecot for its mailboxes.

Everything lies in one directory of its own; several operators run side by side. Postfix wants to be started by root.
"""

from __future__ import annotations

import asyncio
import os
import pwd
import re
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from deploy.world import process
from deploy.world.ports import free_ports
from deploy.world.waiting import STARTING

PASSWORD = "anna-lit-son-courrier"  # of every mailbox of the demo; the servers listen on 127.0.0.1 only

_MAIN = """\
compatibility_level = 3.6
queue_directory = {home}/queue
data_directory = {home}/data
command_directory = /usr/sbin
daemon_directory = {daemons}
mail_owner = postfix
setgid_group = postdrop
maillog_file = {home}/postfix.log
maillog_file_prefixes = {home}
multi_instance_enable = no
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
myhostname = {hostname}
mydomain = {domain}
myorigin = {domain}
mydestination =
mynetworks = 127.0.0.0/8
alias_maps =
alias_database =
local_recipient_maps =
notify_classes =
message_size_limit = 30000000
mailbox_size_limit = 0
virtual_mailbox_domains = {domain}
virtual_mailbox_maps = {boxes}
virtual_transport = lmtp:unix:{home}/lmtp
lmtp_assume_final = yes
transport_maps = texthash:{home}/etc/transport
smtp_host_lookup = native
smtp_dns_support_level = disabled
smtp_tls_security_level = encrypt
smtp_tls_policy_maps = texthash:{home}/etc/tls
smtp_tls_CAfile = {authority}
smtp_tls_cert_file = {client_certificate}
smtp_tls_key_file = {client_key}
smtp_tls_mandatory_protocols = >=TLSv1.2
smtp_tls_loglevel = 1
smtp_tls_session_cache_database =
smtpd_tls_security_level = encrypt
smtpd_tls_cert_file = {certificate}
smtpd_tls_key_file = {key}
smtpd_tls_CAfile = {authority}
smtpd_tls_req_ccert = yes
smtpd_tls_ask_ccert = yes
smtpd_tls_received_header = yes
smtpd_tls_loglevel = 1
smtpd_relay_restrictions = reject_unauth_destination
smtpd_recipient_restrictions = permit
smtpd_client_connection_count_limit = 0
minimal_backoff_time = 2s
maximal_backoff_time = 10s
queue_run_delay = 2s
service_throttle_time = 1s
"""

_MASTER = """\
127.0.0.1:{port} inet n - n - - smtpd
127.0.0.1:{submission} inet n - n - - smtpd {submission_options}
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
proxywrite unix - - n - 1 proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
virtual unix - n n - - virtual
lmtp unix - - n - - lmtp
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
"""
_LISTENER = re.compile(r"127\.0\.0\.1:(\d+) inet .* smtpd\b")
_SUBMISSION = (
    "-o smtpd_tls_security_level=none -o smtpd_tls_req_ccert=no -o smtpd_tls_ask_ccert=no"
    " -o smtpd_relay_restrictions=permit_mynetworks,reject"
)

# Postfix changes users while it starts, which makes the kernel forget that it should end with its parent
# (and `postfix start-fg` leaves it behind when ended): a shell remembers, and passes the end on.
_KEEPER = """trap 'kill "$child"' TERM; "$@" & child=$!; wait "$child"; wait "$child\""""

_DOVECOT = """\
base_dir = {home}/dovecot
state_dir = {home}/dovecot
log_path = {home}/dovecot.log
protocols = imap lmtp
listen = 127.0.0.1
auth_mechanisms = plain login
ssl = required
ssl_cert = <{certificate}
ssl_key = <{key}
mail_location = maildir:{home}/boxes/%d/%n
first_valid_uid = 1
mail_uid = mail
mail_gid = mail
passdb {{
  driver = static
  args = password={password}
}}
userdb {{
  driver = static
  args = uid=mail gid=mail home={home}/boxes/%d/%n allow_all_users=yes
}}
namespace inbox {{
  inbox = yes
}}
service imap-login {{
  inet_listener imap {{
    port = 0
  }}
  inet_listener imaps {{
    port = {imaps}
  }}
}}
service lmtp {{
  unix_listener {home}/lmtp {{
    mode = 0666
  }}
}}
"""


@dataclass(frozen=True, slots=True)
class Identity:
    """An operator: its domain, its server's name, its certificate and key, the authority it believes."""

    domain: str
    hostname: str
    certificate: Path
    key: Path
    authority: Path
    client_certificate: Path | None = None
    client_key: Path | None = None


@dataclass(frozen=True, slots=True)
class Route:
    """Where mail for a domain goes: a port of 127.0.0.1, and the name in the certificate of whoever listens there.

    ``lmtp`` is the path of a Unix socket instead: mail is handed to a program behind this operator.
    """

    port: int = 0
    name: str = ""
    lmtp: Path | None = None


@dataclass(frozen=True, slots=True)
class Options:
    """What differs from an ordinary operator: lines of main.cf and master.cf, boxes that exist (all when empty)."""

    main: Mapping[str, str] = field(default_factory=dict)
    master: tuple[str, ...] = ()
    boxes: tuple[str, ...] = ()


class Postfix:
    """One operator. ``port`` takes mail of other operators, ``submission`` that of its users, ``imaps`` serves them."""

    def __init__(self, identity: Identity, routes: Mapping[str, Route], options: Options = Options()) -> None:
        self.identity = identity
        self.port, self.submission, self.imaps = free_ports(3)
        # Short, since socket paths are limited; open, since the servers run as several users.
        self.directory = Path(tempfile.mkdtemp(prefix="liaison-mail-"))
        # On its own: `postfix check` walks through it, and waits a second for each file that is not root's.
        self._etc = self.directory / "etc"
        self._routes = dict(routes)
        self._options = options
        self._processes: list[subprocess.Popen[bytes]] = []

    async def start(self) -> None:
        """Write the configuration and start both servers.

        Raises RuntimeError when something is missing or does not come up.
        """
        _check()
        self._lay_out()
        await self._run([*self._command(), "check"])
        for patience in (60.0, STARTING):  # seen once: a master that took connections and started nothing to serve them
            self._spawn("dovecot", ["dovecot", "-F", "-c", self.directory / "dovecot.conf"])
            self._spawn("postfix", ["sh", "-c", _KEEPER, "postfix", _daemons() / "master", "-c", self._etc, "-s"])
            if await self._listening(patience):
                return
            await self.pause()
        raise RuntimeError(f"the mail servers do not answer:\n{self.log[-3000:]}")

    async def stop(self) -> None:
        """Stop both servers and remove their files."""
        await self.pause()
        shutil.rmtree(self.directory, ignore_errors=True)

    async def pause(self) -> None:
        """Stop both servers; queue and mailboxes stay, `start` brings them back."""
        for each in reversed(self._processes):
            await process.end(each)
        self._processes.clear()

    async def route(self, domain: str, route: Route) -> None:
        """Send mail for a domain somewhere else from now on."""
        self._routes[domain] = route
        self._write_routes()
        await self._run([*self._command(), "reload"])

    async def flush(self) -> None:
        """Try everything that waits in the queue now."""
        await self._run([*self._command(), "flush"])

    @property
    def log(self) -> str:
        """What the servers wrote."""
        found = [self.directory / name for name in ("postfix.log", "postfix.out", "dovecot.log", "dovecot.out")]
        return "".join(path.read_text("utf-8", "replace") for path in found if path.exists())

    def _command(self) -> list[str | Path]:
        return ["/usr/sbin/postfix", "-c", self._etc]

    def _spawn(self, name: str, command: list[str | Path]) -> None:
        log = self.directory / f"{name}.out"
        launch = process.Launch(log=log, cwd=self.directory, at_parents_death=signal.SIGTERM)
        self._processes.append(process.spawn(command, launch))

    def _lay_out(self) -> None:
        home = self.directory
        home.chmod(0o755)
        for name, owner in (
            ("etc", "root"),
            ("queue", "root"),
            ("data", "postfix"),
            ("dovecot", "root"),
            ("boxes", "mail"),
        ):
            (home / name).mkdir(exist_ok=True)
            shutil.chown(home / name, owner)
        (self._etc / "main.cf").write_text(self._main())
        master = _MASTER.format(port=self.port, submission=self.submission, submission_options=_SUBMISSION)
        (self._etc / "master.cf").write_text(master + "".join(f"{line}\n" for line in self._options.master))
        (self._etc / "boxes.cf").write_text("".join(f"{box} x\n" for box in self._options.boxes))
        self._write_routes()
        (home / "dovecot.conf").write_text(
            _DOVECOT.format(
                home=home,
                certificate=self.identity.certificate,
                key=self.identity.key,
                imaps=self.imaps,
                password=PASSWORD,
            )
        )

    def _main(self) -> str:
        own = self.identity
        text = _MAIN.format(
            home=self.directory,
            daemons=_daemons(),
            hostname=own.hostname,
            domain=own.domain,
            boxes=f"texthash:{self._etc}/boxes.cf" if self._options.boxes else "static:ok",
            authority=own.authority,
            certificate=own.certificate,
            key=own.key,
            client_certificate=own.client_certificate or own.certificate,
            client_key=own.client_key or own.key,
        )
        return text + "".join(f"{name} = {value}\n" for name, value in self._options.main.items())

    def _write_routes(self) -> None:
        transports, policies = [], []
        for domain, route in self._routes.items():
            if route.lmtp:
                transports.append(f"{domain} lmtp:unix:{route.lmtp}\n")
                continue
            transports.append(f"{domain} smtp:[127.0.0.1]:{route.port}\n")
            policies.append(f"[127.0.0.1]:{route.port} secure match={route.name}\n")
        (self._etc / "transport").write_text("".join(transports))
        (self._etc / "tls").write_text("".join(policies))

    async def _run(self, command: list[str | Path]) -> None:
        launch = process.Launch(log=self.directory / "postfix.out", cwd=self.directory, group=True)
        child = process.spawn(command, launch)
        try:
            if not await process.gone(child, STARTING) or child.returncode:
                raise RuntimeError(f"{command[-1]} failed:\n{self.log[-2000:]}")
        finally:  # whoever is interrupted leaves none of the scripts that `postfix` is made of
            process.end_group(child)

    async def _listening(self, patience: float) -> bool:
        """Whether everything answers within that many seconds."""
        deadline = asyncio.get_running_loop().time() + patience
        more = [int(found[1]) for line in self._options.master if (found := _LISTENER.match(line))]
        for port, greeting in [*((each, b"220 ") for each in (self.port, self.submission, *more)), (self.imaps, b"")]:
            while not await asyncio.to_thread(_answers, port, greeting):
                if any(each.poll() is not None for each in self._processes):
                    raise RuntimeError(f"the mail servers did not start:\n{self.log[-3000:]}")
                if asyncio.get_running_loop().time() > deadline:
                    return False
                await process.pause()
        return True


def _answers(port: int, greeting: bytes) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=5) as peer:
            return peer.recv(len(greeting)) == greeting if greeting else True
    except OSError:
        return False


def _daemons() -> Path:
    for path in (Path("/usr/lib/postfix/sbin"), Path("/usr/libexec/postfix"), Path("/usr/lib/postfix/bin")):
        if (path / "master").exists():
            return path
    raise RuntimeError("Postfix is missing: run `make setup` as root")


def _check() -> None:
    _daemons()
    if not shutil.which("dovecot"):
        raise RuntimeError("Dovecot is missing: run `make setup` as root")
    if os.geteuid() != 0:
        raise RuntimeError("Postfix and Dovecot run as several users: start this as root")
    for user in ("postfix", "mail"):
        pwd.getpwnam(user)
