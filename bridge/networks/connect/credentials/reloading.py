"""The section of the products is read again while the hub runs: tokens, secrets, certificates, rates count at once.

What a product changed by the API stays as it is there: an end is for good, and what it made is no token of the file.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Set
from typing import Any

from bridge.network import Reread
from bridge.networks.connect.products import Product
from bridge.networks.connect.settings import ConnectSettings, ProductSettings
from bridge.networks.connect.signing import Signer
from bridge.parts.bucket import Bucket

_AT_ONCE = {"tokens", "webhook_secrets", "client_certificate_sha256", "rate_per_second", "burst"}
_WHERE = "networks.connect"

Keys = Callable[[str, ProductSettings], list[bytes]]
"""The webhook secrets that a product's section names. Raises ValueError."""


class ProductReload:
    """``products`` as they are at work, made of ``section``. ``keys`` reads secrets."""

    def __init__(self, section: ConnectSettings, products: Mapping[str, Product], keys: Keys) -> None:
        self._section, self._products, self._keys = section, products, keys
        self._signing = {name: set(signer.alive(0)) for name, p in products.items() if (signer := _signer(p))}
        self._tokens = {name: set(product.tokens) for name, product in products.items()}

    def take(self, section: Any) -> Reread:
        """Use what can be used at once. Raises ValueError: then nothing has changed."""
        assert isinstance(section, ConnectSettings)
        both = section.products.keys() & self._products.keys()
        read = {name: self._keys(name, section.products[name]) for name in sorted(both) if name in self._signing}
        found = Reread()
        for name in sorted(both):
            self._product(name, section.products[name], read.get(name, []), found)
        for name in sorted(self._products.keys() - section.products.keys()):
            self._let_in(name, set(), found, "its tokens count no more; what waits for it ends with a restart")
            found.restart.append(f"{_WHERE}.products.{name} is gone")
        found.restart += [f"{_WHERE}.products.{name} is new" for name in sorted(section.products.keys() - both)]
        before, after = (one.model_dump(exclude={"products"}) for one in (self._section, section))
        found.restart += [f"{_WHERE}.{field}" for field in sorted(after) if after[field] != before[field]]
        return found

    def _product(self, name: str, after: ProductSettings, keys: list[bytes], found: Reread) -> None:
        product, where = self._products[name], f"{_WHERE}.products.{name}"
        self._let_in(name, {bytes.fromhex(one.removeprefix("sha256:")) for one in after.tokens}, found, "")
        if name in self._signing:
            self._sign(name, {Signer.name_of(key): key for key in keys}, found)
        certificates = tuple(bytes.fromhex(digest) for digest in after.client_certificate_sha256)
        if certificates != product.certificates:
            product.certificates = certificates
            found.changed.append(f"{where}.client_certificate_sha256")
        if (after.rate_per_second, after.burst) != product.bucket.size:
            product.bucket = Bucket(after.rate_per_second, after.burst)
            found.changed.append(f"{where}: its rate")
        before = self._section.products[name].model_dump(exclude=_AT_ONCE)
        later = after.model_dump(exclude=_AT_ONCE)
        found.restart += [f"{where}.{field}" for field in sorted(later) if later[field] != before[field]]

    def _let_in(self, name: str, tokens: Set[bytes], found: Reread, why: str) -> None:
        product, before = self._products[name], self._tokens[name]
        if tokens == before:
            return
        product.tokens = (*(one for one in product.tokens if one not in before), *sorted(tokens))
        self._tokens[name] = set(tokens)
        counts = f"{len(tokens - before)} new, {len(before - tokens)} gone"
        found.changed.append(f"{_WHERE}.products.{name}.tokens: {why or counts}")

    def _sign(self, name: str, keys: Mapping[str, bytes], found: Reread) -> None:
        signer, before = _signer(self._products[name]), self._signing[name]
        assert signer is not None
        if keys.keys() == before:
            return
        for ident, key in keys.items():
            signer.keep(ident, key, None)
        for ident in before - keys.keys():
            signer.forget(ident)
        self._signing[name] = set(keys)
        counts = f"{len(keys.keys() - before)} new, {len(before - keys.keys())} gone"
        found.changed.append(f"{_WHERE}.products.{name}.webhook_secrets: {counts}")


def _signer(product: Product) -> Signer | None:
    return None if product.out is None or product.out.webhook is None else product.out.webhook.signer
