"""The words of Connect about tokens and webhook secrets. Pure."""

from __future__ import annotations

from pydantic import Field

from bridge.networks.connect.fields import Time, Wire


class NewCredential(Wire):
    """When the old ones end."""

    old_until: Time | None = Field(
        default=None,
        description="In the next 90 days. Without it old tokens end once the new one was used (after 30 days at the "
        "latest), and old secrets after a day.",
    )


class TokenMade(Wire):
    """A new token. It is good at once; the hub keeps its hash only and shows it no second time."""

    token: str = Field(repr=False)
    old_until: Time = Field(description="When the old ones end at the latest.")


class SecretMade(Wire):
    """A new webhook secret. Webhooks are signed with it at once, and with the old ones until they end."""

    secret: str = Field(repr=False, description="`whsec_` and base64, as Standard Webhooks has it.")
    old_until: Time


class CredentialView(Wire):
    """One token or secret, by the beginning of its SHA-256 (of the token; of the secret's bytes)."""

    sha256: str = Field(description="The first 16 hexadecimal digits.")
    until: Time | None = Field(description="When it ends; null: it stays.")


class CredentialsView(Wire):
    """What is good now."""

    tokens: list[CredentialView]
    webhook_secrets: list[CredentialView]
