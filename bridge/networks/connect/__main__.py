"""Makes the secrets of a new product: ``python -m bridge.networks.connect``."""

from __future__ import annotations

import hashlib
import sys

from bridge.networks.connect.signing import new_secret, new_token


def main() -> None:
    """Print a token for the product, its hash for the configuration, and a webhook secret for both."""
    token = new_token()
    sys.stdout.write(
        f"# for the product\ntoken: {token}\n"
        f"# for the hub's configuration\ntokens: [sha256:{hashlib.sha256(token.encode()).hexdigest()}]\n"
        f"# for both\nwebhook_secrets: [{new_secret()}]\n"
    )


if __name__ == "__main__":
    main()
