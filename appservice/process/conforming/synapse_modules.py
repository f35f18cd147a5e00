"""Pure: what is loaded into Synapse: the federation's rules (liaison_policy) and the national login (liaison_login).

Sources: ``homeserver_config/policy/README.md`` and ``homeserver_config/login/homeserver.login.yaml``.
"""

from __future__ import annotations

from typing import Any

from appservice.process.conforming.choices import PRO_SANTE_CONNECT, Site

Settings = dict[str, Any]
LIST = "/var/lib/synapse/federation.jws"
POLICY_STATE = "/var/lib/synapse/policy"
_WALLET = "https://wallet.esw.esante.gouv.fr/auth"


def modules(site: Site, policy_token: str, login_token: str) -> list[Settings]:
    """The section ``modules``; the two files hold what the modules show the hub."""
    found = [{"module": "liaison_policy.policy.Policy", "config": _policy(site, policy_token)}]
    if site.sso_client:
        found.append({"module": "liaison_login.module.Login", "config": _login(site, login_token)})
    return found


def _policy(site: Site, token: str) -> Settings:
    settings: Settings = {"state": site.path(POLICY_STATE), "language": site.element_language}
    settings["servers"] = sorted(site.servers)
    settings["hub"] = {"url": f"http://127.0.0.1:{site.hub_port}", "token_file": token}
    if site.federation_url:
        settings["federation"] = {"list": site.path(LIST), "keys": [site.federation_key]}
    return settings


def _login(site: Site, token: str) -> Settings:
    hub = f"http://127.0.0.1:{site.hub_port}"
    return {"issuer": site.sso_issuer, "client_id": site.sso_client, "hub": hub, "hub_token_file": token}


def sign_on(site: Site, login_token: str, client_secret: str) -> Settings:
    """``oidc_providers`` and ``sso``."""
    calls = f"{site.sso_issuer}/protocol/openid-connect"
    national: Settings = {
        "discover": False,  # its discovery document has a name of its own
        "authorization_endpoint": _WALLET,
        "token_endpoint": f"{calls}/token",
        "userinfo_endpoint": f"{calls}/userinfo",
        "jwks_uri": f"{calls}/certs",
    }
    provider = {
        "idp_id": "psc",
        "idp_name": "Pro Santé Connect",
        "issuer": site.sso_issuer,
        **(national if site.sso_issuer == PRO_SANTE_CONNECT else {}),
        "client_id": site.sso_client,
        "client_secret_path": client_secret,
        "scopes": ["openid", "scope_all"],
        "user_profile_method": "userinfo_endpoint",
        "pkce_method": "always",
        "id_token_signing_alg_values_supported": ["RS256"],
        "additional_authorization_parameters": {"acr_values": "eidas1"},
        "allow_existing_users": False,
        "backchannel_logout_enabled": True,
        "backchannel_logout_ignore_sub": True,
        "user_mapping_provider": {"module": "liaison_login.provider.Provider", "config": _login(site, login_token)},
    }
    clients = [f"https://{site.element}/"] if site.element else []
    return {
        "oidc_providers": [provider],
        "sso": {"client_whitelist": clients, "update_profile_information": False},
    }
