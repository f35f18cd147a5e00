"""The exact names of systems and extensions in the resources of Annuaire Santé (guide "annuaire" of ANS, 1.1.0)."""

from __future__ import annotations

IDNPS = "urn:oid:1.2.250.1.71.4.2.1"
RPPS = "https://rpps.esante.gouv.fr"
OLD_RPPS = "http://rpps.fr"
IDNST = "urn:oid:1.2.250.1.71.4.2.2"
FINESS = "https://finess.esante.gouv.fr"

PROFESSION = "TRE_G15-ProfessionSante"
KNOW_HOW = ("TRE_R38-SpecialiteOrdinale", "TRE_R39-", "TRE_R40-", "TRE_R42-", "TRE_R43-", "TRE_R44-", "TRE_R45-")
"""Tables of know-how (specialities, competences, capacities …); a system holds one of these parts."""

EMAIL_TYPE = "fr-core-contact-point-email-type"
MAILBOX = "as-ext-mailbox-mss-metadata"
MSSANTE = "MSSANTE"
SUBSETTED = "SUBSETTED"


def of_table(system: object, *tables: str) -> bool:
    """Whether a code system is one of these tables of the NOS, in any of the forms that are about."""
    return isinstance(system, str) and any(table in system for table in tables)
