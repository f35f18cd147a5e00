"""Makes the secrets of a new product: ``python -m bridge.networks.connect``."""

from __future__ import annotations

import hashlib
import secrets
import sys
from base64 import b64encode


def main() -> None:
    """Print a token for the product, its hash for the configuration, and a webhook secret for both."""
    token = secrets.token_urlsafe(32)
    sys.stdout.write(
        f"# for the product\ntoken: {token}\n"
        f"# for the hub's configuration\ntokens: [sha256:{hashlib.sha256(token.encode()).hexdigest()}]\n"
        f"# for both\nwebhook_secrets: [whsec_{b64encode(secrets.token_bytes(32)).decode()}]\n"
    )


if __name__ == "__main__":
    main()
