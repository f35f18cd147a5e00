"""Pure: what systemd starts: the homeserver with its processes and their Redis. The hub's unit is deploy/systemd's."""

from __future__ import annotations

from appservice.process.conforming import hub_files
from appservice.process.conforming import synapse_workers as workers
from appservice.process.conforming.choices import Site
from appservice.process.conforming.synapse_modules import LIST
from appservice.process.conforming.synapse_settings import ETC, VAR

_PROTECTED = """\
NoNewPrivileges=yes
CapabilityBoundingSet=
AmbientCapabilities=
ProtectSystem=strict
ProtectHome=yes
PrivateTmp=yes
PrivateDevices=yes
PrivateUsers=yes
PrivateMounts=yes
ProtectClock=yes
ProtectControlGroups=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectProc=invisible
ProcSubset=pid
RemoveIPC=yes
LockPersonality=yes
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallFilter=~@privileged @resources
SystemCallErrorNumber=EPERM
UMask=0077
LimitNOFILE=65536
LimitCORE=0
"""

_SERVICE = """\
# {about}; made by `liaison homeserver init`.
[Unit]
Description={about}
After=network-online.target postgresql.service {after}
Wants=network-online.target {wants}
{part}StartLimitIntervalSec=0

[Service]
Type={type}
User=synapse
Group=synapse
ExecStart={start}
{reload}Restart=always
RestartSec=2
TimeoutStopSec=30
StateDirectory=synapse
StateDirectoryMode=0700
RuntimeDirectory={runtime}
RuntimeDirectoryMode=0700
RuntimeDirectoryPreserve=yes
{protected}
[Install]
WantedBy=multi-user.target
"""


def units(site: Site) -> dict[str, str]:
    """The name of each unit, and its text."""
    files = f"-c {site.path(f'{ETC}/homeserver.yaml')} -c {site.path(f'{ETC}/conf.d')}"
    python = f"{site.synapse}/python"
    own = {"type": "notify", "runtime": "synapse", "reload": "ExecReload=/bin/kill -HUP $MAINPID\n"}
    redis = "synapse-redis.service" if site.workers else ""
    main = own | {
        "about": "Synapse, the Matrix homeserver",
        "start": f"{python} -m synapse.app.homeserver {files}",
        "after": redis,
        "wants": " ".join([redis, *(f"synapse-worker@{name}.service" for name in workers.all_of(site))]).strip(),
        "part": "",
    }
    made = {"synapse.service": _text(main)}
    if site.workers:
        made["synapse-worker@.service"] = _text(
            own
            | {
                "about": "Synapse's process %i",
                "start": f"{python} -m synapse.app.generic_worker {files} -c {site.path(f'{ETC}/workers')}/%i.yaml",
                "after": f"synapse.service {redis}",
                "wants": "",
                "part": "PartOf=synapse.service\n",
            }
        )
        made["synapse-redis.service"] = _text(
            {
                "type": "simple", "runtime": "synapse", "reload": "", "after": "", "wants": "", "part": "",
                "about": "Redis of Synapse's processes: a socket for them alone, nothing on disk",
                "start": "/usr/bin/redis-server --port 0 --save '' --appendonly no "
                f"--dir {site.path(VAR)} --unixsocket {site.path(workers.REDIS)} --unixsocketperm 700",
            }
        )  # fmt: skip
    if site.federation_url:
        made |= _list(site)
    return made


def _list(site: Site) -> dict[str, str]:
    """The signed list that the hub fetches, handed on to Synapse's user, who may not read the hub's files."""
    theirs, ours = site.path(f"{hub_files.VAR}/federation.jws"), site.path(LIST)
    head = "# The federation's list, from the hub to Synapse; made by `liaison homeserver init`.\n[Unit]\n"
    copy = f"ExecStart=/usr/bin/install -o synapse -g synapse -m 0640 {theirs} {ours}.new\n"
    put = f"ExecStart=/usr/bin/mv {ours}.new {ours}\n"
    about = f"Description=The federation's list for Synapse\nConditionPathExists={theirs}\n"
    start = "\n[Install]\nWantedBy=multi-user.target\n"
    return {
        "liaison-list.service": f"{head}{about}\n[Service]\nType=oneshot\n{copy}{put}{start}",
        "liaison-list.path": f"{head}Description=Looks for a new list\n\n[Path]\nPathChanged={theirs}\n{start}",
    }


def _text(words: dict[str, str]) -> str:
    lines = _SERVICE.format(**words, protected=_PROTECTED).splitlines()
    return "\n".join(line.rstrip() for line in lines) + "\n"
