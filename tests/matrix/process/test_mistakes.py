"""`liaison check` names what is wrong and what to do about it: every mistake that was ever made in a first hour."""

# ruff: noqa: E501
from __future__ import annotations

import base64
from collections.abc import Callable
from pathlib import Path

import asyncpg
import pytest
from aiohttp import web
from pytest_aiohttp import AiohttpServer

from appservice.process import proof
from appservice.process.checking.everything import everything
from appservice.process.checking.findings import Finding, lines
from appservice.process.checking.synapse import WANTED
from bridge.seal import Seal
from deploy.world.postgres import Postgres
from tests.matrix.process.mistakes import (
    PEOPLE,
    Mistake,
    Site,
    certificate,
    database,
    drop,
    in_synapse,
    in_use,
    put,
    registered,
    text,
)  # fmt: skip

AWAY = "the homeserver answers at http://127.0.0.1:1"  # the only fault of a right site: there is no homeserver
PRODUCT = ("networks", "connect", "products", "pandalab")


def another_key(site: Site) -> None:
    sealed = Seal({"1": bytes([1] * 32)}, "1").seal(proof._TEXT, proof._CONTEXT).hex()
    database(
        site, "CREATE TABLE seal_proof (key_id TEXT, sealed BLOB)", f"INSERT INTO seal_proof VALUES ('1', x'{sealed}')"
    )


def readable(site: Site) -> None:
    database(site)
    (site.folder / "hub.db").chmod(0o644)


def gives(site: Site, **more: object) -> None:
    site.pandalab.update(more)


def other_appservice(site: Site) -> None:
    users = [{"exclusive": True, "regex": "@.*:chu.example"}]
    site.others.append({"id": "irc", "as_token": "x", "namespaces": {"users": users}})


def as_written(value: object) -> str:
    """A setting as YAML has it."""
    return f"{value}".lower() if isinstance(value, bool) else f"{value}"


MISTAKES = [
    # hub.yaml
    Mistake("a tab", text(lambda t: t.replace("matrix_listen:\n  port", "matrix_listen:\n\tport")), "there is a tab", "use spaces"),
    Mistake("an option twice", text(lambda t: t + "seal: {}\n"), "seal is given twice", "line"),
    Mistake("no YAML", text(lambda t: t + "]"), "no YAML", "open quote or bracket"),
    Mistake("an empty file", text(lambda _: ""), "seal: is missing", "hub.example.yaml shows it"),
    Mistake("a section's name mistyped", put("matrix_lisen", to={}), "matrix_lisen: there is no such option", "did you mean matrix_listen?"),
    Mistake("an option's name mistyped", put("matrix", "servername", to="x"), "matrix: servername", "compare name and indentation"),
    Mistake("only the inner # taken away", put("matrix_listen", "connect", to={}), "connect: there is no such option here", "below networks (take the # away"),
    Mistake("log_level in small letters", put("log_level", to="info"), "log_level", "hub.example.yaml shows how"),
    Mistake("a time that is none", put("delivery", to={"late": "10 Minuten"}), "delivery.late", "number"),
    # the seal
    Mistake("no seal", drop("seal"), "seal: is missing", "hub.example.yaml shows it"),
    Mistake("no key file", put("seal", "keys", to={"1": "/none/seal"}), "seal.keys.1: cannot read /none/seal", "from the backup"),
    Mistake("a key that is too short", lambda s: s.file("seal", "c2hvcnQ="), "seal.keys.1: the key must be 32 bytes", "liaison key makes one"),
    Mistake("a key file that cannot be read", put("seal", "keys", to={"1": "/"}), "seal.keys.1: cannot read /", "from the backup"),
    Mistake("a key for everybody", lambda s: (s.folder / "seal").chmod(0o644), "seal.keys.1: every user of this machine", "chmod 640"),
    Mistake("a webhook secret for everybody", lambda s: (s.folder / "hook").chmod(0o604), "pandalab.webhook_secrets: every user", "chmod 640"),
    Mistake("an unknown active key", put("seal", "active", to="2"), "seal", "is not among the keys"),
    Mistake("another key of the same name", another_key, "seal.keys.1 is not the key that this database was made with", "put the file back"),
    # the database
    Mistake("another engine", put("database", "url", to="mysql://u:SECRET@h/x"), "database.url: it must begin with", "two engines"),
    Mistake("two slashes", put("database", "url", to="sqlite://var/lib/hub.db"), "too few slashes", "sqlite:////var/lib"),
    Mistake("a folder that cannot be made", put("database", "url", to="sqlite:////dev/null/hub.db"), "cannot be made in /dev/null", "chown"),
    Mistake("a file that is no database", lambda s: s.file("hub.db", "x" * 5000), "SQLITE_NOTADB", "restore a backup"),
    Mistake("a mistyped path", lambda s: None, "the start makes an empty database", "its path is another one"),
    Mistake("a newer database", lambda s: database(s, "INSERT INTO migration VALUES ('e2ee', 99)"), "a newer Liaison", "run that version"),
    Mistake("a copy with the rights of a root shell", readable, "can be read by others", "chmod 600"),
    Mistake("no PostgreSQL there", put("database", "url", to="postgresql://u:SECRET@127.0.0.1:1/x"), "no server answers", "host and port"),
    Mistake("a PostgreSQL host that is not", put("database", "url", to="postgresql://u:SECRET@nowhere.invalid/x"), "no server answers", "host and port"),
    Mistake("a password with signs", put("database", "url", to="postgresql://u:SECRET@h:port/x"), "no address", "%40"),
    # people.csv
    Mistake("10 digits", lambda s: s.people("rpps,name\n1000000000,Anna\n"), "people.csv, line 2", "all its digits"),
    Mistake("a French header", lambda s: s.people("RPPS,nom\n10001001113,Anna\n"), "line 1: no column rpps", "separated by commas"),
    Mistake("semicolons", lambda s: s.people("rpps;name\n10001001113;Anna\n"), "line 1: no column rpps", "separated by commas"),
    Mistake("Latin-1", lambda s: s.people("rpps,name\n10001001113,Cléo\n".encode("latin-1")), "is not UTF-8", "CSV UTF-8"),
    Mistake("no @ in a Matrix id", lambda s: s.people("rpps,name,matrix\n10001001113,A,ben:chu.example\n"), "line 2: matrix", "@name:server"),
    Mistake("a name without anything", lambda s: s.people("rpps,name\n10001001113,\n"), "line 2: name is empty", "deploy/people.csv"),
    Mistake("a comma between two accounts", lambda s: s.people('rpps,name,products\n10001001113,A,"pandalab:a,siilo:a"\n'), "line 2: products", "a space, and no comma"),
    Mistake("an account without its product", lambda s: s.people("rpps,name,products\n10001001113,A,anna\n"), "line 2: products", "network:id"),
    Mistake("a product that is not configured", lambda s: s.people(PEOPLE.replace("pandalab", "arcad")), "1 people have an address of arcad", "add networks.connect.products.arcad"),
    Mistake("mail that is not configured", lambda s: s.people("rpps,name,mail\n10001001113,A,a@mss.example\n"), "an address of mail, which is not configured", "networks.mail"),
    Mistake("a wrong check digit", lambda s: s.people(PEOPLE.replace("113", "114")), "wrong check digit, first 10001001114", "annuaire.esante.gouv.fr"),
    Mistake("somebody twice", lambda s: s.people(PEOPLE + "10001001113,B,\n"), "line 3: rpps:10001001113 is already somebody's", "in line 2"),
    Mistake("no file", put("directory", "flatfile", to="/none/people.csv"), "directory.flatfile: No such file", "put your people there"),
    # products
    Mistake("no product", put("networks", to={"connect": {"products": {}}}), "neither a product nor secure mail", "hub.example.yaml"),
    Mistake("http to another machine", put(*PRODUCT, "webhook_url", to="http://p.example/"), "webhook_url", "needs https://"),
    Mistake("a secret that is none", put(*PRODUCT, "webhook_secrets", to=["abc"]), "webhook_secrets", "give whsec_…"),
    Mistake("no secret file", put(*PRODUCT, "webhook_secrets", to=["file:/none/hook"]), "webhook_secrets", "`liaison token`"),
    Mistake("a token in clear", put(*PRODUCT, "tokens", to=["topsecret"]), "tokens", "`liaison token` prints both"),
    Mistake("the example's hash", put(*PRODUCT, "tokens", to=["sha256:" + "0" * 64]), "this is the example's hash", "`liaison token` makes"),
    Mistake("a token of two products", lambda s: s.hub["networks"]["connect"]["products"].update(siilo=s.product("t")), "a token is given twice", "one product only"),
    Mistake("an unknown option of a product", put(*PRODUCT, "webhok_url", to="x"), "webhok_url", "compare name and indentation"),
    Mistake("an unknown profile", put(*PRODUCT, "profile", to="whatsapp"), "profile is one of", "pandalab, siilo"),
    Mistake("nobody at the webhook", put(*PRODUCT, "webhook_url", to="http://127.0.0.1:1/"), "nobody listens at 127.0.0.1", "start the product"),
    Mistake("a webhook's host that is not", put(*PRODUCT, "webhook_url", to="https://nowhere.invalid/"), "there is no host nowhere.invalid", "ask the vendor"),
    Mistake("https to a webhook without", lambda s: gives(s, webhook_url=s.webhook.replace("http:", "https:")), "no TLS can be agreed on", "port and scheme"),
    Mistake("an unknown network", put("networks", "signal", to={}), "networks.signal: there is no such connector", "there are connect and mail"),
    # both ports
    Mistake("an ended certificate", lambda s: certificate(s, "connect_listen", days=-1), "connect_listen: certificate has ended", "renew it"),
    Mistake("a certificate that ends soon", lambda s: certificate(s, "matrix_listen", days=5), "matrix_listen: certificate ends on", "renew it"),
    Mistake("another certificate's key", lambda s: certificate(s, "connect_listen", key_of_another=True), "key does not belong to certificate", "with which it was requested"),
    Mistake("no certificate file", put("connect_listen", "certificate", to="/none/tls.crt"), "connect_listen: certificate, key or client_ca", "/none/tls.crt"),
    Mistake("a key without certificate", put("connect_listen", "key", to="/none/tls.key"), "key is given without certificate", "give both"),
    Mistake("an address of another machine", put("connect_listen", "host", to="192.0.2.1"), "this machine has no address 192.0.2.1", "ip address"),
    Mistake("a host that is not", put("connect_listen", "host", to="nowhere.invalid"), "nowhere.invalid is no address", "0.0.0.0"),
    Mistake("a port that differs", lambda s: s.hub["matrix_listen"].update(port=s.hub["matrix_listen"]["port"] + 1), "matrix.address has port", "make them the same"),
    Mistake("TLS on one side only", lambda s: s.hub["matrix"].update(address=s.hub["matrix"]["address"].replace("http", "https")), "matrix.address is https, matrix_listen is not", "write http://"),
    Mistake("a hub that its homeserver cannot reach", put("matrix", "address", to="http://hub.chu.example:29300"), "is reached by this machine alone", "change matrix_listen.host"),
    # trust
    Mistake("a server as a URL", put("trust", "matrix_servers", to=["https://chu.example"]), "trust.matrix_servers", "a server name such as"),
    Mistake("a server that is not", put("trust", "matrix_servers", to=["nowhere.invalid"]), "nowhere.invalid is no name that DNS knows", "correct the name"),
    Mistake("no server", put("trust", to={}), "nobody of another homeserver can take part", "name the servers"),
    # matrix
    Mistake("a homeserver that is not there", lambda s: None, AWAY, "start the homeserver, or correct host and port"),
    Mistake("a homeserver whose host is not", put("matrix", "homeserver", to="http://nowhere.invalid"), "answers at http://nowhere.invalid", "the host of matrix.homeserver is unknown"),
    Mistake("https to a homeserver without", lambda s: s.hub["matrix"].update(homeserver=s.webhook.replace("http:", "https:")), "answers at https://", "https is not spoken there, http is: write http://"),
    Mistake("another server than a homeserver", lambda s: s.hub["matrix"].update(homeserver=s.webhook), "a homeserver answers", "no client-server API"),
    Mistake("a homeserver with its path", put("matrix", "homeserver", to="http://h/_matrix/client"), "matrix", "without /_matrix/"),
    Mistake("a server name as a URL", put("matrix", "server_name", to="https://chu.example"), "server_name is a domain", "not a URL"),
    Mistake("no token file", put("matrix", "as_token_file", to="/none/as"), "matrix.as_token_file: cannot read /none/as", "openssl rand"),
    Mistake("one token for both", lambda s: s.file("hs", "as-token"), "as_token and hs_token are the same", "openssl rand"),
    Mistake("a sender that is a ghost", put("matrix", "sender_localpart", to="rpps_1"), "sender_localpart must not begin", "/sync fails"),
    # Synapse
    Mistake("a registration that is not listed", lambda s: s.registration.clear(), "no registration of this hub is listed", "app_service_config_files"),
    Mistake("another as_token", registered("as_token", "old"), "registration-0.yaml: as_token", "the same in both"),
    Mistake("another hs_token", registered("hs_token", "old"), "registration-0.yaml: hs_token", "the same in both"),
    Mistake("the Connect port in the registration", registered("url", "http://localhost:29301"), "registration-0.yaml: url", "write http://localhost:"),
    Mistake("limits for the hub", registered("rate_limited", True), "registration-0.yaml: rate_limited", "write False"),
    Mistake("another prefix", registered("namespaces", {"users": []}), "registration-0.yaml: namespaces", "@rpps_"),
    Mistake("no devices for ghosts", registered("io.element.msc4190", False), "registration-0.yaml: io.element.msc4190", "write True"),
    Mistake("no bells in the registration", registered("receive_ephemeral", False), "registration-0.yaml: receive_ephemeral", "write True"),
    Mistake("no device changes in it", registered("org.matrix.msc3202", None), "registration-0.yaml: org.matrix.msc3202", "write True"),
    Mistake("an appservice that takes everybody", other_appservice, "another appservice claims the hub's users", "narrow its users namespace @.*:chu.example"),
    Mistake("a section twice in homeserver.yaml", lambda s: setattr(s, "synapse_text", "presence: {enabled: true}\n"), "presence is given twice", "drops the first"),
    Mistake("no limit of who federates", in_synapse("federation_domain_whitelist"), "federation_domain_whitelist is missing", "trust.matrix_servers"),
    *(
        Mistake(f"without {name}", in_synapse(*name.split("."), to=wrong), f"homeserver.yaml: {name} is", as_written(wanted))
        for name, (wanted, _) in WANTED.items()
        for wrong in [True if name in ("url_preview_enabled", "enable_registration") else None]
    ),
]  # fmt: skip


@pytest.fixture
async def site(tmp_path: Path, aiohttp_server: AiohttpServer) -> Site:
    app = web.Application()
    app.router.add_post("/webhook", _taken)
    server = await aiohttp_server(app)
    return Site(tmp_path, str(server.make_url("/webhook")))


async def _taken(_: web.Request) -> web.Response:
    return web.Response()


async def checked(site: Site) -> list[Finding]:
    found = await everything(*site.write())
    assert "SECRET" not in "\n".join(lines(found))
    return found


async def test_a_right_site_has_nothing_to_mend(site: Site) -> None:
    database(site)
    found = await checked(site)
    assert [f.what for f in found if not f.ok or f.note] == [AWAY]
    assert [line for line in lines(found) if line.startswith("ok ")]


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda m: m.name)
async def test_a_mistake_is_named_with_its_remedy(site: Site, mistake: Mistake) -> None:
    mistake.make(site)
    found = await checked(site)
    named = [f for f in found if mistake.fault in f.what]
    assert named, list(lines(found))
    assert not named[0].ok or named[0].note
    assert mistake.mend in f"{named[0].what} {named[0].mend}", list(lines(named))


async def test_one_mistake_hides_no_other(site: Site) -> None:
    names = {
        "no key file",
        "two slashes",
        "10 digits",
        "the example's hash",
        "a key without certificate",
        "limits for the hub",
    }
    some = [mistake for mistake in MISTAKES if mistake.name in names]
    for mistake in some:
        mistake.make(site)
    found = await checked(site)
    assert [m.name for m in some if not any(m.fault in f.what for f in found)] == []
    assert any(f.what == AWAY for f in found)


async def test_a_port_of_another_program(site: Site) -> None:
    taken = in_use(site)
    try:
        found = await checked(site)
    finally:
        taken.close()
    [named] = [f for f in found if "is in use, and no hub answers there" in f.what]
    assert "ss -ltnp" in named.mend


async def test_there_are_more_than_the_52() -> None:
    assert len({mistake.name for mistake in MISTAKES}) == len(MISTAKES) >= 52


def _none(url: str) -> str:
    return url.rpartition("/")[0] + "/none"


def _nobody(url: str) -> str:
    scheme, _, rest = url.partition("://")
    return f"{scheme}://nobody@{rest.rpartition('@')[2]}"


@pytest.mark.postgres
@pytest.mark.parametrize(
    ("change", "fault", "mend"),
    [(_none, "no database of this name", "createdb"), (_nobody, "let this user in", "PGPASSWORD")],
)
async def test_postgresql_is_looked_at(
    site: Site, postgres: Postgres, change: Callable[[str], str], fault: str, mend: str
) -> None:
    url = await postgres.create_database()
    site.hub["database"]["url"] = change(url)
    found = await checked(site)
    named = [f for f in found if f.what.startswith("database.url") and fault in f.what]
    assert named, list(lines(found))
    assert mend in named[0].mend


@pytest.mark.postgres
async def test_an_encoding_that_loses_letters_is_named(site: Site, postgres: Postgres) -> None:
    url = await postgres.create_database()
    site.hub["database"]["url"] = url
    assert not [f.what for f in await checked(site) if f.what.startswith("database") and not f.ok]
    admin = await asyncpg.connect(url)
    name = "ascii_" + base64.b16encode(url.encode())[-6:].decode().lower()
    await admin.execute(f"CREATE DATABASE {name} ENCODING 'SQL_ASCII' TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'")
    await admin.close()
    site.hub["database"]["url"] = url.rpartition("/")[0] + "/" + name
    [named] = [f for f in await checked(site) if "encoding is SQL_ASCII" in f.what]
    assert "createdb -E UTF8" in named.mend
