"""Secure mail: the operator's certificate, the trust list, the ways to and from other operators."""

from __future__ import annotations

import asyncio
import tempfile
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509

from appservice.process.checking.findings import Finding, bad, good, remark
from bridge.errors import Refused, Unavailable
from bridge.networks.mail.leg.settings import MailSettings
from bridge.networks.mail.smtp.mx import Dns
from bridge.networks.mail.smtp.settings import SmtpSettings
from bridge.networks.mail.trust import dn
from bridge.networks.mail.trust.decision import explain
from bridge.networks.mail.trust.trustfeed import Trust

_WHERE = "networks.mail"
_CONNECT = 3.0  # s
_SOON = timedelta(days=21)


async def findings(settings: MailSettings) -> list[Finding]:
    """Everything that can be seen without sending a mail. The list's own state directory is left alone."""
    smtp = settings.smtp
    found = [*_certificate(smtp), *([] if smtp.lmtp else [await _port(smtp)]), *await _list(settings)]
    routes = [_connects(f"{_WHERE}.smtp.sending.routes.{name}", to) for name, to in smtp.sending.routes.items()]
    return [*found, *await asyncio.gather(*(_way_here(smtp, domain) for domain in smtp.domains), *routes)]


def _certificate(smtp: SmtpSettings) -> list[Finding]:
    """That it has ended was said when the files were read."""
    try:
        shown = x509.load_pem_x509_certificate(smtp.tls.certificate.read_bytes())
        held = shown.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        names = list(held.get_values_for_type(x509.DNSName))
    except x509.ExtensionNotFound:
        names = []
    except (OSError, ValueError):
        return []
    found = []
    left = shown.not_valid_after_utc - datetime.now(UTC)
    if timedelta() < left < _SOON:
        found.append(remark(f"{_WHERE}.smtp.tls: the certificate ends in {left.days} days", "renew it"))
    if smtp.hostname not in names:
        mend = f"set smtp.hostname to the certificate's name, or ask for a certificate of {smtp.hostname}"
        named = ", ".join(names) or "no host"
        found.append(bad(f"{_WHERE}.smtp.hostname: the certificate names {named}", mend))
    return found


async def _port(smtp: SmtpSettings) -> Finding:
    """Whether the port is free; a hub that runs has it."""
    what = f"{_WHERE}.smtp.port: {smtp.port} can be listened on"
    try:
        server = await asyncio.start_server(lambda r, w: None, smtp.host, smtp.port)
    except PermissionError:
        mend = "ports below 1024 need a right: deploy/systemd/mail.conf gives it to the unit"
        return bad(what, mend)
    except OSError as error:
        with suppress(OSError, TimeoutError):
            greeting = await _greeting("127.0.0.1" if smtp.host in ("0.0.0.0", "::") else smtp.host, smtp.port)  # noqa: S104
            if smtp.hostname.encode() in greeting:
                return good(f"{_WHERE}.smtp.port: {smtp.hostname} answers there (a hub runs)")
        return bad(what, f"another program has it: stop it, or choose another port ({error.strerror})")
    server.close()
    await server.wait_closed()
    return good(what)


async def _greeting(host: str, port: int) -> bytes:
    async with asyncio.timeout(_CONNECT):
        reader, writer = await asyncio.open_connection(host, port)
        try:
            return await reader.readline()
        finally:
            writer.close()


async def _list(settings: MailSettings) -> list[Finding]:
    what = f"{_WHERE}.trust: the trust list of {settings.trust.source}"
    with tempfile.TemporaryDirectory() as folder:
        try:
            trust = Trust(settings.trust.model_copy(update={"state": Path(folder)}))
        except (OSError, ValueError):  # said when the files were proved
            return []
        await trust.refresh()
    if trust.trouble is not None or trust.list is None:
        mend = "look at url (or path), authority and signer_cn; without a list mail waits"
        return [bad(f"{what}: {explain(trust.trouble or 'list_missing')[1]}", mend)]
    findings = [good(f"{what} is signed and has {len(trust.list.domains)} domains")]
    mend = "look at trust.crls: the address, and whether the file is of this authority"
    findings += [bad(f"{_WHERE}.trust.crls: {one}: {code}", mend) for one, code in trust.revocation.troubles.items()]
    return findings + _listed(trust, settings.smtp)


def _listed(trust: Trust, smtp: SmtpSettings) -> list[Finding]:
    """Whether others will believe us."""
    try:
        shown = smtp.tls.client_certificate or smtp.tls.certificate
        name = dn.of(x509.load_pem_x509_certificate(shown.read_bytes()))
    except (OSError, ValueError):
        return []
    missing = [domain for domain in smtp.domains if not trust.allows(domain, name)]
    if not missing:
        return [good(f"{_WHERE}.smtp.domains: the list lets our certificate speak for them")]
    mend = f"have {dn.show(name)} listed for it by the authority; `liaison trust check CERTIFICATE` explains"
    return [
        bad(f"{_WHERE}.smtp.domains: the list does not let our certificate speak for {one}", mend) for one in missing
    ]


async def _way_here(smtp: SmtpSettings, domain: str) -> Finding:
    what = f"{_WHERE}.smtp.domains: other operators find the way to {domain}"
    mend = f"the DNS of {domain} needs an MX record that names {smtp.hostname}"
    try:
        hosts = await Dns(smtp.sending.model_copy(update={"routes": {}})).hosts(domain)
    except Refused as reason:
        return bad(f"{what}: no ({reason.code})", mend)
    except Unavailable as reason:
        return remark(f"{what}: DNS does not say ({reason.code})", mend)
    if any(host.name == smtp.hostname for host in hosts):
        return good(what)
    return remark(f"{what}: by {', '.join(host.name for host in hosts)}", f"{mend}, if nothing stands in front")


async def _connects(where: str, route: str) -> Finding:
    host, _, port = route.rpartition(":")
    try:
        async with asyncio.timeout(_CONNECT):
            _, writer = await asyncio.open_connection(host.strip("[]"), int(port))
        writer.close()
    except (OSError, TimeoutError) as error:
        reason = getattr(error, "strerror", None) or type(error).__name__
        return bad(f"{where}: nobody answers at {route} ({reason})", "correct the route, or take it out")
    return good(f"{where}: {route} answers")
