"""Pure: what systemd starts: the homeserver with its processes and their Redis. The hub's unit is deploy/systemd's."""

from __future__ import annotations

from appservice.process.conforming import synapse_workers as workers
from appservice.process.conforming.choices import Site
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
    return made


def _text(words: dict[str, str]) -> str:
    lines = _SERVICE.format(**words, protected=_PROTECTED).splitlines()
    return "\n".join(line.rstrip() for line in lines) + "\n"
