"""What a provider, or somebody between, could answer instead of the truth, and the reason by which each is refused."""

from __future__ import annotations

from typing import Any

from tests.login.make import NUMBERS

ANNA = f"8{NUMBERS['anna']}"
OTHER = f"8{NUMBERS['ben']}"
_SUB = "f:550e8400-e29b-41d4-a716-446655440000:"

ANSWERS: dict[str, tuple[dict[str, Any], str]] = {
    "no acr": ({"token": {"drop": ["acr"]}}, "no_acr"),
    "an acr that nobody knows": ({"token": {"set": {"acr": "1"}}}, "weak_acr"),
    "no national identifier": ({"userinfo": {"drop": ["SubjectNameID"]}}, "no_national_id"),
    "a test card": ({"userinfo": {"set": {"SubjectNameID": "ANS20210730160210"}}}, "no_rpps"),
    "an ADELI number": ({"userinfo": {"set": {"SubjectNameID": "0751234567"}}}, "no_rpps"),
    "a malformed number": ({"userinfo": {"set": {"SubjectNameID": f"{ANNA} "}}}, "no_rpps"),
    "another person's otherIds": (
        {"userinfo": {"set": {"otherIds": [{"identifiant": OTHER, "origine": "RPPS", "qualite": 1}]}}}, "other_ids",
    ),
    "another preferred_username": ({"userinfo": {"set": {"preferred_username": OTHER}}}, "other_ids"),
    "another person's number": (
        {"userinfo": {"set": {"SubjectNameID": OTHER, "preferred_username": OTHER, "otherIds": []}}}, "other_sub",
    ),
    "userinfo of another sub": ({"userinfo": {"set": {"sub": _SUB + OTHER}}}, "other_sub"),
    "another profession": ({"userinfo": {"set": {"SubjectRole": ["60^1.2.250.1.213.1.1.5.5"]}}}, "wrong_role"),
    "no ID token": ({"token": {"absent": True}}, "no_id_token"),
    "another audience by our azp": ({"token": {"set": {"aud": "dossier", "azp": "liaison-chu"}}}, "wrong_audience"),
    "one audience more": ({"token": {"set": {"aud": ["liaison-chu", "x"], "azp": "liaison-chu"}}}, "wrong_audience"),
    "another audience": ({"token": {"set": {"aud": "dossier"}}}, "invalid_token.*azp"),
    "a foreign issuer": ({"token": {"set": {"iss": "https://auth.example"}}}, "invalid_token.*iss"),
    "another nonce": ({"token": {"set": {"nonce": "x"}}}, "invalid_token.*nonce"),
    "no nonce": ({"token": {"drop": ["nonce"]}}, "invalid_token.*nonce"),
    "an expired token": ({"token": {"set": {"exp": 1_700_000_000, "iat": 1_699_999_000}}}, "invalid_token.*expired"),
    "a token without an end": ({"token": {"drop": ["exp"]}}, "invalid_token.*exp"),
    "a signature by another key": ({"token": {"key": "foreign"}}, "invalid_token.*signature"),
    "no signature": ({"token": {"alg": "none"}}, "invalid_token.*algorithm"),
    "the public key as a secret": ({"token": {"alg": "HS256"}}, "invalid_token.*algorithm"),
}  # fmt: skip
