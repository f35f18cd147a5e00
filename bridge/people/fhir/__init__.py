"""The directory's FHIR API (Annuaire Santé, FHIR R4, version 2 of the API): what has changed since, read and mapped."""
