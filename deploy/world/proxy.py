"""The reverse proxy of a site: nginx before a homeserver and the hub, with the paths of docs/operating.md."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Self

import aiohttp

from deploy.world import process
from deploy.world.ports import free_port
from deploy.world.waiting import wait_for

NGINX = shutil.which("nginx", path="/usr/sbin:/usr/bin")
PEOPLE = r"^/_matrix/(client/(r0|v3)/(user_directory/search$|profile/(@|%40)(rpps|mss)_)|identity/)"
_CONF = """
{user} daemon off; pid {folder}/pid; error_log stderr; worker_processes 1; events {{}}
http {{
    access_log off; client_max_body_size 64m; {folders}
    server {{
        listen 127.0.0.1:{port};
        location ~ {people} {{ proxy_pass {hub}; error_page 502 504 = @homeserver; }}
        location @homeserver {{ proxy_pass {homeserver}; }}
        location / {{ proxy_pass {homeserver}; proxy_http_version 1.1; proxy_read_timeout 120s; }}
    }}
}}
"""


class Proxy:
    """`async with Proxy(folder, homeserver, hub)`: clients call ``url``."""

    def __init__(self, folder: Path, homeserver: str, hub: str) -> None:
        self._port, self._folder = free_port(), folder
        kinds = "client_body", "proxy", "fastcgi", "uwsgi", "scgi"
        folders = " ".join(f"{kind}_temp_path {folder}/{kind};" for kind in kinds)
        user = "" if os.geteuid() else "user root;"  # its folders are the test's alone
        ends = {"user": user, "hub": hub, "homeserver": homeserver, "people": PEOPLE, "folders": folders}
        self._conf = _CONF.format(folder=folder, port=self._port, **ends)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """The homeserver's address as clients know it."""
        return f"http://127.0.0.1:{self._port}"

    async def __aenter__(self) -> Self:
        if NGINX is None:
            raise RuntimeError("nginx is missing: run `make setup`")
        self._folder.mkdir(parents=True, exist_ok=True)
        conf = self._folder / "nginx.conf"
        conf.write_text(self._conf)
        self._process = process.spawn([NGINX, "-c", conf], process.Launch(log=self._folder / "log"))
        await wait_for(self._answers, "the proxy")
        return self

    async def _answers(self) -> bool:
        assert self._process is not None
        if self._process.poll() is not None:
            raise RuntimeError((self._folder / "log").read_text())
        try:
            async with aiohttp.request("GET", f"{self.url}/_matrix/client/versions") as answer:
                return answer.status == 200
        except (aiohttp.ClientError, OSError):
            return False

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is not None:
            await asyncio.shield(process.end(self._process))
