"""What a configuration names outside of itself: files, keys, certificates; for a start and for `liaison check`."""

from __future__ import annotations

import ssl

from appservice.process.settings import MatrixSettings
from bridge.config import BadConfig, Config, ListenSettings, validate
from bridge.model import MAIL
from bridge.networks.connect import ConnectApi, ConnectConnector, ConnectSettings
from bridge.networks.connect import build as build_connect
from bridge.networks.mail.leg.settings import MailSettings
from bridge.networks.mail.smtp.tls import Tls
from bridge.networks.mail.trust.trustfeed import Trust
from bridge.people.directories.flatfile import FlatFile
from bridge.seal import Seal


def examine(config: Config) -> MatrixSettings:
    """Read everything, without network and database; gives the section of the homeserver. Raises BadConfig."""
    settings = validate(MatrixSettings, config.matrix, "matrix")
    settings.read_as_token()
    settings.read_hs_token()
    products(config, config.seal.open())
    directory(config)
    tls("matrix_listen", config.matrix_listen)
    tls("connect_listen", config.connect_listen)
    if (mail := mail_settings(config)) is not None:
        trust(mail)
        try:
            Tls(mail.smtp.tls).prove()
        except (OSError, ValueError) as error:
            raise BadConfig(f"networks.mail.smtp.tls: {said(error)}") from None
    return settings


def directory(config: Config) -> FlatFile:
    """Who is who. Raises BadConfig."""
    try:
        return FlatFile.read(config.directory.flatfile)
    except (OSError, ValueError) as error:
        raise BadConfig(f"directory.flatfile: {said(error)}") from None


def products(config: Config, seal: Seal) -> tuple[ConnectApi, dict[str, ConnectConnector]]:
    """The API and the products. Raises BadConfig."""
    unknown = set(config.networks) - {"connect", MAIL}
    if unknown:
        raise BadConfig(f"networks.{sorted(unknown)[0]}: there is no such connector; there are connect and mail")
    section = validate(ConnectSettings, config.networks.get("connect", {}), "networks.connect")
    try:
        return build_connect(section, seal)
    except (OSError, ValueError) as error:
        raise BadConfig(said(error)) from None


def mail_settings(config: Config) -> MailSettings | None:
    """The section of secure mail, if there is one. Raises BadConfig."""
    if MAIL not in config.networks:
        return None
    return validate(MailSettings, config.networks[MAIL], "networks.mail")


def trust(settings: MailSettings) -> Trust:
    """The trust list, not yet started. Raises BadConfig."""
    try:
        return Trust(settings.trust)
    except (OSError, ValueError) as error:
        raise BadConfig(f"networks.mail.trust: {said(error)}") from None


def tls(section: str, where: ListenSettings) -> ssl.SSLContext | None:
    """The context of a listener, if it has a certificate. Raises BadConfig."""
    if where.certificate is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        for path in (where.certificate, where.key, where.client_ca):
            if path is not None:
                path.read_bytes()  # OpenSSL does not say which one it could not read
        context.load_cert_chain(where.certificate, where.key)
        if where.client_ca is not None:
            context.load_verify_locations(where.client_ca)
            context.verify_mode = ssl.CERT_OPTIONAL
    except OSError as error:  # ssl.SSLError is one
        raise BadConfig(f"{section}: certificate, key or client_ca cannot be used: {said(error)}") from None
    return context


def said(error: Exception) -> str:
    """With the file's name where there is one, without numbers."""
    if isinstance(error, OSError) and error.strerror:
        return f"{error.strerror}: {error.filename}" if error.filename else error.strerror
    return str(error)
