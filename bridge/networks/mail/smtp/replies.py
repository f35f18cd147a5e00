"""What the SMTP edge says to other servers: code, enhanced status, and what their administrator should mend; pure.

Codes after RFC 5321, 3207 and 3463; where those leave a choice it is this project's. French first, English beside it,
in ASCII, since not every server reads anything else.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

from bridge.errors import Refused, Unavailable

_LONGEST = 400  # characters of text in a line; a line ends at 512 octets (RFC 5321, 4.5.3.1.5)


@dataclass(frozen=True, slots=True)
class Reply:
    """One reply. ``{}`` in a text is filled by :meth:`about` with a name that helps the reader."""

    code: int
    status: str
    texts: tuple[str, ...]

    def __str__(self) -> str:
        last = len(self.texts) - 1
        return "\r\n".join(
            f"{self.code}{' ' if number == last else '-'}{self.status} {text}" for number, text in enumerate(self.texts)
        )

    def about(self, name: str) -> Reply:
        """The same with a name in its place; the name may come from a stranger."""
        return Reply(self.code, self.status, tuple(text.replace("{}", plain(name)) for text in self.texts))


def plain(text: str) -> str:
    """Printable ASCII of bounded length out of anything."""
    letters = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode("ascii")
    return " ".join(re.sub(r"[^ -~]", " ", letters).split())[:_LONGEST]


def _reply(code: int, status: str, *texts: str) -> Reply:
    return Reply(code, status, texts)


MUST_STARTTLS = _reply(530, "5.7.0", "Must issue a STARTTLS command first")
TLS_UNAVAILABLE = _reply(454, "4.7.0", "TLS indisponible pour l'instant", "TLS not available now, try again later")
TLS_ACTIVE = _reply(503, "5.5.1", "TLS is already active")
PIPELINED = _reply(503, "5.5.1", "Nothing may follow STARTTLS before TLS is active")
NO_CERTIFICATE = _reply(
    550,
    "5.7.1",
    "Aucun certificat client presente: configurez le certificat IGC-Sante de votre serveur pour l'envoi",
    "No client certificate: configure your server's IGC-Sante certificate for outgoing mail",
)
REVOKED = _reply(
    550,
    "5.7.1",
    "Certificat revoque ({}): installez un certificat valide",
    "Certificate revoked: install a valid certificate",
)
EXPIRED = _reply(
    550,
    "5.7.1",
    "Certificat expire ({}): renouvelez-le",
    "Certificate expired: renew it",
)
NOT_YET = _reply(
    451,
    "4.7.1",
    "Certificat pas encore valable ({}): verifiez les horloges, reessayez plus tard",
    "Certificate not valid yet: check the clocks, try again later",
)
NOT_LISTED = _reply(
    550,
    "5.7.1",
    "Le DN de votre certificat n'est pas dans la liste blanche MSSante: {}",
    "The subject of your certificate is not in the trust list: declare it there, or use the declared certificate",
)
CERTIFICATE_REFUSED = _reply(
    550,
    "5.7.1",
    "Certificat refuse ({})",
    "Certificate refused: check its validity, its authority and its entry in the trust list",
)
STALE = _reply(
    451,
    "4.7.0",
    "Liste blanche ou CRL trop ancienne chez nous: reessayez plus tard",
    "Our trust list or CRL is too old: try again later",
)
SENDER_REFUSED = _reply(
    550,
    "5.7.1",
    "Le domaine d'expedition {} n'est pas associe au DN de votre certificat dans la liste blanche",
    "This sender domain is not listed with your certificate's subject: use a domain of yours, or have it listed",
)
SENDER_UNKNOWN = _reply(
    550,
    "5.7.1",
    "Le domaine d'expedition {} n'est pas dans la liste blanche MSSante",
    "This sender domain is not in the trust list",
)
AUTHOR_REFUSED = _reply(
    550,
    "5.7.1",
    "Le domaine {} du champ From n'est pas associe a votre certificat dans la liste blanche (Postfix: myorigin)",
    "The domain in the From header is not listed with your certificate's subject: write from a domain of yours",
)
RELAY = _reply(550, "5.7.1", "Relais refuse: {} n'est pas un domaine de ce serveur", "Relaying denied")
NO_SUCH_BOX = _reply(550, "5.1.1", "Boite inconnue: verifiez l'adresse dans l'annuaire", "No such mailbox")
BOX_CLOSED = _reply(550, "5.2.1", "Boite fermee: son titulaire ne recoit plus", "Mailbox disabled")
BOX_FULL = _reply(452, "4.2.2", "Boite pleine: reessayez plus tard", "Mailbox full, try again later")
LATER = _reply(451, "4.3.0", "Momentanement indisponible: reessayez plus tard", "Temporarily unavailable, try again")
TOO_MANY_RECIPIENTS = _reply(452, "4.5.3", "Trop de destinataires: renvoyez pour les autres", "Too many recipients")
TOO_OFTEN = _reply(451, "4.7.0", "Trop de messages: ralentissez", "Too many messages, slow down")
TOO_MANY_SESSIONS = _reply(421, "4.7.0", "Trop de connexions simultanees: fermez-en", "Too many connections from you")
TOO_MANY_ERRORS = _reply(421, "4.7.0", "Trop de commandes refusees", "Too many refused commands")
TIMED_OUT = _reply(421, "4.4.2", "Delai depasse", "Timeout exceeded")
CLOSING = _reply(421, "4.3.2", "Arret du service: reessayez bientot", "Service shutting down, try again soon")
TOO_LARGE = _reply(552, "5.3.4", "Message trop volumineux (maximum: {} octets)", "Message exceeds the maximum size")
BARE_LINE_END = _reply(
    554,
    "5.6.0",
    "CR ou LF isole dans le message: chaque ligne finit par CRLF",
    "Bare CR or LF in the message: every line ends with CRLF (RFC 5321, 2.3.8)",
)
NO_AUTHOR = _reply(554, "5.6.0", "Champ From absent ou illisible", "From header missing or unreadable (RFC 5322, 3.6)")
SEVERAL_FROM = _reply(554, "5.6.0", "Plusieurs champs From", "Several From headers (RFC 5322, 3.6)")
SEVERAL_AUTHORS = _reply(554, "5.6.0", "Plusieurs auteurs dans From: n'en nommez qu'un", "More than one author in From")
HEADER_TOO_LARGE = _reply(554, "5.6.0", "En-tete trop long", "Message header too long")
LINE_TOO_LONG = _reply(554, "5.6.0", "Ligne trop longue dans le message", "Line too long in the message")
UNREADABLE = _reply(554, "5.6.0", "Message illisible ({})", "Message cannot be read")
LOOP = _reply(554, "5.4.6", "Boucle de messagerie: trop de champs Received", "Mail loop: too many Received headers")
CITIZEN = _reply(
    550,
    "5.7.1",
    "Votre message n'a pas ete remis: ce professionnel ne recoit pas encore les messages de Mon espace sante ici",
    "Contactez-le autrement, par exemple par telephone. En cas d'urgence, appelez le 15 ou le 112",
    "Not delivered: this service does not take mail of citizens yet. Reach this professional another way",
)
MALWARE = _reply(554, "5.7.1", "Logiciel malveillant detecte dans le message", "Malware found in the message")
UNSCANNED = _reply(451, "4.7.1", "Antivirus indisponible: reessayez plus tard", "Scanner unavailable, try again later")
POLICY = _reply(554, "5.7.1", "Message refuse ({})", "Message refused")
APICRYPT = _reply(
    554,
    "5.7.1",
    "Chiffre par Apicrypt v1, que ce serveur ne sait pas ouvrir: envoyez plutot par MSSante (Apicrypt v2)",
    "Encrypted with Apicrypt v1, which this server cannot open: send it through MSSante (Apicrypt v2) instead",
)
CODEC = _reply(
    554,
    "5.7.1",
    "Apicrypt v1: le codec du destinataire ne peut pas ouvrir ce message ({}): envoyez par MSSante (Apicrypt v2)",
    "Apicrypt v1: the recipient's codec cannot open this message: send it through MSSante (Apicrypt v2) instead",
)
NO_AUTH = _reply(502, "5.5.1", "No AUTH here: servers are known by their certificate")
NO_VRFY = _reply(252, "2.5.2", "Cannot VRFY, send the mail and see")
NO_EXPN = _reply(502, "5.5.1", "EXPN not available")
NESTED_MAIL = _reply(503, "5.5.1", "Nested MAIL command")
NEED_MAIL = _reply(503, "5.5.1", "Need MAIL command first")
OK = _reply(250, "2.1.0", "Ok")
RECIPIENT_OK = _reply(250, "2.1.5", "Ok")
STORED = _reply(250, "2.0.0", "Ok, stored as {}")
MAIL_SYNTAX = _reply(501, "5.5.4", "Syntax: MAIL FROM:<address> [parameters]")
RCPT_SYNTAX = _reply(501, "5.5.4", "Syntax: RCPT TO:<address> [parameters]")
BAD_ADDRESS = _reply(553, "5.1.3", "Adresse mal formee", "Malformed address")
NEEDS_UTF8 = _reply(553, "5.6.7", "Adresse non ASCII sans SMTPUTF8", "Non-ASCII address without SMTPUTF8")
BAD_PARAMETER = _reply(501, "5.5.4", "Bad parameter value")
UNKNOWN_PARAMETER = _reply(555, "5.5.4", "Parameter not recognized")
HELP = _reply(214, "2.0.0", "RFC 5321, 3207, 3461")

_OF_VERDICT = {
    "certificate_revoked": REVOKED,
    "dn_not_listed": NOT_LISTED,
    "certificate_expired": EXPIRED,
    "certificate_not_yet_valid": NOT_YET,
}
_OF_BOX = {"unknown": NO_SUCH_BOX, "closed": BOX_CLOSED, "full": BOX_FULL, "later": LATER}
_OF_REFUSAL = {
    "apicrypt_v1": APICRYPT,
    "bare_line_end": BARE_LINE_END,
    "codec_refused": CODEC,
    "codec_too_large": CODEC,
    "from_missing": NO_AUTHOR,
    "from_several": SEVERAL_FROM,
    "many_senders": SEVERAL_AUTHORS,
    "no_sender": NO_AUTHOR,
    "header_too_large": HEADER_TOO_LARGE,
    "loop": LOOP,
    "malware": MALWARE,
    "too_large": TOO_LARGE,
    "unknown_recipient": NO_SUCH_BOX,
    "unreadable": UNREADABLE,
}

# The library answers some commands itself, without enhanced status (RFC 2034).
_LIBRARY = {
    500: "5.5.2",
    501: "5.5.4",
    502: "5.5.1",
    503: "5.5.1",
    552: "5.3.4",
    555: "5.5.4",
    250: "2.0.0",
    221: "2.0.0",
}
_PLAIN_LINE = re.compile(r"([245][0-9]{2}) (?![245]\.[0-9]+\.[0-9]+ )(.*)", re.DOTALL)


def of_verdict(code: str, subject: str) -> Reply:
    """The refusal of a certificate (``trust.decision.WHY``); ``subject`` is shown to its owner."""
    if code in _OF_VERDICT:
        return _OF_VERDICT[code].about(subject)
    return CERTIFICATE_REFUSED.about(code)


def of_box(state: str) -> Reply | None:
    """The refusal of a recipient, None when the box takes mail (``ok``). What is not known is told to come back."""
    return None if state == "ok" else _OF_BOX.get(state, LATER)


def of_refusal(refusal: Refused) -> Reply:
    """What a peer reads when the mail is refused for good."""
    return _OF_REFUSAL.get(refusal.code, POLICY).about(refusal.about or refusal.code)


def of_absence(absence: Unavailable) -> Reply:
    """What a peer reads when the mail cannot be taken now."""
    return UNSCANNED if absence.code == "scanner_down" else LATER


def enhanced(line: str) -> str:
    """A line of the library in the form of this house: with an enhanced status."""
    if line.startswith("530 "):
        return str(MUST_STARTTLS)
    if line.startswith("500 Line too long"):
        return str(LINE_TOO_LONG)
    match = _PLAIN_LINE.fullmatch(line)
    if match is None or int(match[1]) not in _LIBRARY:
        return line
    return f"{match[1]} {_LIBRARY[int(match[1])]} {match[2]}"
