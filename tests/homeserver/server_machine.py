"""A machine of :mod:`tests.walkthrough` on which systemd's units, nginx and Synapse run as init has written them."""

from __future__ import annotations

from pathlib import Path

from deploy.world.ports import free_ports
from tests.walkthrough import ROOT, Machine

_NGINX = "/usr/sbin/nginx"  # where Debian has it, on whatever path
_PATHS = ("/etc/synapse", "/etc/nginx", "/var/lib/synapse", "/var/www", "/opt/synapse")

# The program with this machine's places: what a person would not have to say.
_LIAISON = """
case "$1" in
  homeserver) what=$2; shift 2; case "$what" in init|check) ;; *) exit 2 ;; esac
    set -- homeserver "$what" --folder {here} {choices} "$@" ;;
  check) set -- check -c {here}/etc/liaison/hub.yaml --synapse {here}/etc/synapse/homeserver.yaml ;;
esac
exec {real} "$@"
"""

# Units are started by their own ExecStart, without the rights and users that systemd would give and take.
_SYSTEMCTL = """
echo systemctl "$@" >> {here}/done
start() {{
  sh -c "exec $(sed -n 's/^ExecStart=//p' {here}/etc/systemd/system/$1.service)" >> {here}/$1.log 2>&1 &
  echo $! > {here}/$1.pid
}}
stop() {{ kill $(cat {here}/$1.pid); while kill -0 $(cat {here}/$1.pid) 2>/dev/null; do sleep 0.05; done; }}
verb=$1; shift
[ "${{1:-}}" != --now ] || shift
for name in "$@"; do
  case "$verb $name" in
    "restart nginx") [ ! -e {here}/nginx.pid ] || stop nginx
      {nginx} -c {here}/nginx.conf >> {here}/nginx.log 2>&1 & echo $! > {here}/nginx.pid ;;
    "enable "*|"start "*) start $name ;;
    "stop "*) stop $name ;;
    "restart "*) stop $name; start $name ;;
  esac
done
"""

_NGINX_CONF = """\
daemon off; master_process off; pid {here}/nginx.own.pid; error_log stderr crit; events {{}}
http {{
    access_log off; client_body_temp_path {here}/nginx/body; proxy_temp_path {here}/nginx/proxy;
    fastcgi_temp_path {here}/nginx/fastcgi; uwsgi_temp_path {here}/nginx/uwsgi; scgi_temp_path {here}/nginx/scgi;
    include {here}/etc/nginx/conf.d/*.conf;
}}
"""


class ServerMachine(Machine):
    """``sockets``: of PostgreSQL; ``ca``: whose certificates the federation has; ``other``: a homeserver elsewhere."""

    def __init__(self, folder: Path, sockets: str, ca: Path, other: str, environment: dict[str, str]) -> None:
        self.https, self.synapse, self.hub, connect, clients = free_ports(5)
        self.name = f"localhost:{self.https}"
        places = {path: f"{folder}{path}" for path in _PATHS} | {
            "/etc/ssl/matrix.chu.example": f"{folder}/etc/ssl/localhost", "matrix.chu.example": self.name,
            "it@chu.example": "it@chu.example", "chu.example": self.name, "clinique.example": other,
            "127.0.0.1:8008": f"127.0.0.1:{self.synapse}",
        }  # fmt: skip
        super().__init__(folder, places, environment)
        ports = {"https": self.https, "synapse": self.synapse, "hub": self.hub, "connect": connect, "clients": clients}
        choices = [f"--{name}-port {port}" for name, port in ports.items()]
        choices += [f"--database-host {sockets}", f"--federation-ca {ca}", "--private-network 127.0.0.0/8"]
        choices += [f"--synapse {folder}/opt/synapse/bin", f"--liaison {folder}/opt/liaison/bin"]
        programs, synapse = folder / "usr/bin", folder / "opt/synapse/bin"
        for path in (synapse, folder / "nginx", folder / "etc/ssl/localhost"):
            path.mkdir(parents=True)
        self._program(programs / "apt-get", f'echo apt-get "$@" >> {folder}/done')
        self._program(programs / "systemctl", _SYSTEMCTL.format(here=folder, nginx=_NGINX))
        liaison = _LIAISON.format(here=folder, real=ROOT / ".venv/bin/liaison", choices=" ".join(choices))
        self._program(folder / "opt/liaison/bin/liaison", liaison)
        self._program(synapse / "pip", f'echo pip "$@" >> {folder}/done')
        for name in ("python", "register_new_matrix_user"):
            self._program(synapse / name, f'exec {ROOT}/.venv-synapse/bin/{name} "$@"')
        (folder / "nginx.conf").write_text(_NGINX_CONF.format(here=folder))
