"""Pure: the reverse proxy in front of homeserver and hub, for nginx and for Caddy.

Both show the same: what clients and other servers call, the three well-known files, the search in the directory (which
the hub answers), Liaison Connect. Neither shows the administration, metrics or what the processes say to one another.
Neither writes who called what: paths hold names of rooms and users.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from appservice.process.conforming import synapse_workers as workers
from appservice.process.conforming.choices import Site

WWW = "/var/www/liaison"
PEOPLE = "client/(r0|v3)/(user_directory/search$|profile/(@|%40)(rpps|mss)_)|identity/"
_CONNECT = "128m"  # the largest request of a product: docs/connect


def names(site: Site) -> list[str]:
    """The hosts of the homeserver's certificate."""
    return list(dict.fromkeys(one.partition(":")[0] for one in (site.host, site.domain)))


# ---- nginx


def nginx(site: Site) -> str:
    """For ``/etc/nginx/conf.d``, which Debian's nginx reads by itself."""
    lines = ["# nginx for homeserver and hub; made by `liaison homeserver init`."]
    if site.workers:
        lines += _upstreams(site)
    tls = [
        f"    listen {site.https_port} ssl;",
        *([] if site.folder else [f"    listen [::]:{site.https_port} ssl;"]),
        f"    ssl_certificate     {site.certificate};",
        f"    ssl_certificate_key {site.key};",
        "    ssl_protocols TLSv1.2 TLSv1.3;",
        "    access_log off;  # paths hold names of rooms and users",
        "    add_header Strict-Transport-Security max-age=31536000 always;",
    ]
    lines += [
        "server {",
        *tls,
        f"    server_name {' '.join(names(site))};",
        f"    client_max_body_size {_most(site)};",
        "",
    ]
    lines += [*_connect(site), *_well_known(site), *_matrix(site), "}"]
    if site.workers:
        inside = [f"    listen 127.0.0.1:{site.synapse_port + 1};  # the hub reaches the processes this way"]
        lines += ["", "server {", *inside, "    access_log off;", f"    client_max_body_size {_most(site)};", ""]
        lines += [*_served(site, _of_the_hub(site)), "}"]
    if site.element:
        root = (
            f"    root {site.path(f'{WWW}/element')};  # Element Web's files, beside the config.json that stands there"
        )
        lines += ["", "server {", *tls, f"    server_name {site.element};", root]
        lines += ["    add_header X-Frame-Options SAMEORIGIN;", "}"]
    return "\n".join([*lines, ""])


def _most(site: Site) -> str:
    """A file may be as large as the homeserver allows, encrypted or not."""
    return f"{int(site.max_upload[:-1]) + 1}m"


def _connect(site: Site) -> Iterator[str]:
    yield from (
        "    location /connect/ {",
        f"        proxy_pass http://127.0.0.1:{site.connect_port};",
        f"        client_max_body_size {_CONNECT};",
        *_headers("$host"),
        "        proxy_request_buffering off;  # files would lie in clear on the proxy's disk",
        "        proxy_buffering off;",
        "        proxy_read_timeout 120s;",
        "    }",
    )


def _well_known(site: Site) -> Iterator[str]:
    yield from (
        "    location /.well-known/matrix/ {",
        f"        root {site.path(WWW)};",
        "        default_type application/json;",
        "        add_header Access-Control-Allow-Origin * always;",
        "    }",
    )


def _matrix(site: Site) -> Iterator[str]:
    yield from (
        f"    location ~ ^/_matrix/({PEOPLE}) {{  # people are found in the directory",
        f"        proxy_pass http://127.0.0.1:{site.clients_port};",
        *_headers("$host"),
        "        error_page 502 504 = @homeserver;  # the homeserver answers alone while the hub is away",
        "    }",
        "    location @homeserver {",
        f"        proxy_pass {_main(site)};",
        *_headers("$host:$server_port"),
        "    }",
    )
    yield from _served(site, _of_everybody(site) if site.workers else ())


Pools = Sequence[tuple[str, str, Sequence[str]]]
"""The name of a few processes, what they serve, and who they are. The first pattern that fits decides."""


def _of_everybody(site: Site) -> Pools:
    return (
        ("main", workers.MAIN, ["main"]),
        ("stream_writer", workers.WRITES, ["stream-writer-1"]),
        ("federation_reader", workers.FEDERATION, ["federation-reader-1"]),
        ("client_readers", workers.READS, workers.readers(site)),
    )


def _of_the_hub(site: Site) -> Pools:
    first = [pool for pool in _of_everybody(site) if pool[0] in ("main", "stream_writer")]
    return (*first, ("hub", workers.OF_THE_HUB, [workers.HUB]))


def _served(site: Site, pools: Pools) -> Iterator[str]:
    """What goes to Synapse."""
    for name, pattern, _ in pools:
        yield from (f'    location ~ "({pattern})" {{', f"        proxy_pass http://{name};")
        yield from (*_headers("$host:$server_port"), "        proxy_read_timeout 120s;", "    }")
    yield from ("    location ~ ^(/_matrix|/_synapse/client) {", f"        proxy_pass {_main(site)};")
    yield from (*_headers("$host:$server_port"), "        proxy_read_timeout 120s;", "    }")


def _main(site: Site) -> str:
    return f"http://127.0.0.1:{site.synapse_port}"


def _headers(host: str) -> Iterator[str]:
    yield "        proxy_http_version 1.1;"
    yield f"        proxy_set_header Host {host};"
    yield "        proxy_set_header X-Forwarded-For $remote_addr;"
    yield "        proxy_set_header X-Forwarded-Proto $scheme;"


def _upstreams(site: Site) -> Iterator[str]:
    for pool, _, members in (*_of_everybody(site), _of_the_hub(site)[-1]):
        yield f"upstream {pool} {{"
        if pool == "client_readers":
            yield "    hash $http_authorization consistent;  # one device, one reader: its answers are remembered there"
        yield from (f"    server 127.0.0.1:{workers.port(site, name)};" for name in members)
        yield "}"


# ---- Caddy


def caddy(site: Site) -> str:
    """For ``import`` in the Caddyfile. Caddy writes no access log unless it is told to."""
    lines = [
        "# Caddy for homeserver and hub; made by `liaison homeserver init`. In the Caddyfile: import liaison.caddy"
    ]
    addresses = ", ".join(f"https://{one}:{site.https_port}" for one in names(site))
    lines += [f"{addresses} {{", f"    tls {site.certificate} {site.key}  # without this line Caddy gets certificates"]
    lines += [
        "    header Strict-Transport-Security max-age=31536000",
        "    route {  # in this order",
        f"        reverse_proxy /connect/* 127.0.0.1:{site.connect_port}",
        "        handle /.well-known/matrix/* {",
        f"            root * {site.path(WWW)}",
        "            header Content-Type application/json",
        "            header Access-Control-Allow-Origin *",
        "            file_server",
        "        }",
        f"        @people path_regexp ^/_matrix/({PEOPLE.replace('(@|%40)', '@')})",
        f"        reverse_proxy @people 127.0.0.1:{site.clients_port} 127.0.0.1:{site.synapse_port} {{",
        "            lb_policy first",
        "            fail_duration 10s",
        "        }",
        *_caddy_served(site, _of_everybody(site) if site.workers else ()),
        "    }",
        "}",
    ]
    if site.workers:
        lines += [f"http://127.0.0.1:{site.synapse_port + 1} {{", "    bind 127.0.0.1", "    route {"]
        lines += [*_caddy_served(site, _of_the_hub(site)), "    }", "}"]
    if site.element:
        lines += [f"https://{site.element}:{site.https_port} {{", f"    tls {site.certificate} {site.key}"]
        lines += [f"    root * {site.path(f'{WWW}/element')}", "    file_server", "}"]
    return "\n".join([*lines, ""])


def _caddy_served(site: Site, pools: Pools) -> Iterator[str]:
    for name, pattern, members in pools:
        where = " ".join(f"127.0.0.1:{workers.port(site, one)}" for one in members)
        balance = " {\n            lb_policy header Authorization\n        }" if len(members) > 1 else ""
        yield f"        @{name} path_regexp {pattern}"
        yield f"        reverse_proxy @{name} {where}{balance}"
    yield f"        reverse_proxy /_matrix/* 127.0.0.1:{site.synapse_port}"
    yield f"        reverse_proxy /_synapse/client/* 127.0.0.1:{site.synapse_port}"
