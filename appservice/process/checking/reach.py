"""What the hub calls: products' webhooks, and the servers that it trusts."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Sequence
from urllib.parse import urlsplit

import aiohttp

from appservice.process.checking.findings import Finding, bad, good, remark
from bridge.networks.connect.settings import ConnectSettings, ProductSettings

_PATIENCE = 10.0


async def webhooks(section: ConnectSettings) -> list[Finding]:
    """Whether somebody answers at each product's address."""
    called = {name: one for name, one in section.products.items() if one.webhook_url}
    return list(await asyncio.gather(*(_webhook(name, one, one.webhook_url or "") for name, one in called.items())))


async def _webhook(name: str, product: ProductSettings, url: str) -> Finding:
    where = f"networks.connect.products.{name}.webhook_url"
    host = urlsplit(url).hostname
    try:
        tls = ssl.create_default_context(cafile=product.webhook_ca_file)
        timeout = aiohttp.ClientTimeout(total=min(product.webhook_timeout_s, _PATIENCE))
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            session.head(url, ssl=tls, allow_redirects=False),
        ):
            return good(f"{name}: {host} answers")
    except aiohttp.ClientConnectorCertificateError:
        mend = "the product's certificate must name the host; for a private authority: webhook_ca_file"
        return bad(f"{where}: the certificate of {host} is not accepted", mend)
    except aiohttp.ClientConnectorDNSError:
        return bad(f"{where}: there is no host {host}", "ask the vendor for the address, look at this machine's DNS")
    except aiohttp.ClientSSLError:
        return bad(f"{where}: no TLS can be agreed on with {host}", "look at port and scheme with the vendor")
    except (aiohttp.ClientConnectorError, ConnectionError):
        return bad(f"{where}: nobody listens at {host}", "start the product, look at port and firewall")
    except TimeoutError:
        return bad(f"{where}: {host} does not answer", "look at the firewall, and whether the product hangs")
    except (aiohttp.ClientError, OSError) as error:
        return bad(
            f"{where}: {host} answers oddly ({type(error).__name__})", "ask the vendor: POST must be answered by 2xx"
        )


async def servers(names: Sequence[str]) -> list[Finding]:
    """Whether the trusted servers exist; patterns are left out."""
    asked = [name for name in names if "*" not in name]
    found = await asyncio.gather(*(_resolves(name) for name in asked))
    mend = "correct the name (it is the part after the : in user ids), or ignore this if it has only an SRV record"
    return [
        remark(f"trust.matrix_servers: {name} is no name that DNS knows", mend)
        for name, there in zip(asked, found, strict=True)
        if not there
    ]


async def _resolves(name: str) -> bool:
    host = urlsplit(f"//{name}").hostname
    try:
        async with asyncio.timeout(_PATIENCE):
            await asyncio.get_running_loop().getaddrinfo(host, 8448, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return False
    return True
