"""Pure: what browsers, clients and other servers read of a site: the well-known files, Element Web's configuration."""

from __future__ import annotations

import json
from typing import Any

from appservice.process.conforming.choices import Site

Json = dict[str, Any]


def client(site: Site) -> Json:
    """``/.well-known/matrix/client``: where the homeserver is, and who is asked for a mail address."""
    return {"m.homeserver": {"base_url": site.public_url}, "m.identity_server": {"base_url": site.public_url}}


def server(site: Site) -> Json:
    """``/.well-known/matrix/server``: where other servers call."""
    return {"m.server": site.host if ":" in site.host else f"{site.host}:443"}


def support(site: Site) -> Json:
    """``/.well-known/matrix/support`` (MSC1929): whom another operator asks."""
    if not site.contact:
        return {"support_page": f"{site.public_url}/"}
    roles = "m.role.admin", "m.role.security"
    return {"contacts": [{"role": role, "email_address": site.contact} for role in roles]}


def element(site: Site) -> Json:
    """Element Web's config.json: this homeserver only, nothing that leaves the trust space, nothing that others see."""
    return {
        "default_server_config": client(site)
        | {"m.homeserver": {"base_url": site.public_url, "server_name": site.domain}},
        "disable_custom_urls": True,
        "disable_guests": True,
        "disable_3pid_login": True,
        "default_country_code": "FR",
        "default_federate": True,
        "default_theme": "light",
        "permalink_prefix": f"https://{site.element}" if site.element else "https://matrix.to",
        "room_directory": {"servers": [site.domain]},
        "integrations_ui_url": None,
        "integrations_rest_url": None,
        "bug_report_endpoint_url": None,
        "map_style_url": None,
        "show_labs_settings": False,
        "sso_redirect_options": {"immediate": bool(site.sso_client)},
        "features": {"feature_video_rooms": False},
        "setting_defaults": {
            "language": site.element_language,
            "UIFeature.urlPreviews": False,
            "UIFeature.feedback": False,
            "UIFeature.registration": False,
            "UIFeature.passwordReset": False,
            "UIFeature.deactivate": False,
            "UIFeature.shareSocial": False,
            "UIFeature.widgets": False,
            "UIFeature.identityServer": True,
            "sendReadReceipts": True,
        },
    }


def text(value: Json) -> str:
    """As the file holds it."""
    return json.dumps(value, ensure_ascii=False, indent=2) + "\n"
