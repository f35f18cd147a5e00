"""Nothing that fails inside the module is a 500: it refuses, or allows where the site says so, and logs no words."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from deploy.world.synapse import PYTHON

FAILED = ["M_FORBIDDEN", "internal_error"]
NEVER = {"mail": ["M_FORBIDDEN", "invite_by_mail"], "published": ["M_FORBIDDEN", "public_room"]}
RULES = ("invite", "invited", "redaction", "odd event")


def test_what_fails_is_refused_or_allowed_and_never_a_500(tmp_path: Path) -> None:
    """Synapse's own Python, in which account data and database fail at each question."""
    script = Path(__file__).with_name("inside.py")
    ran = subprocess.run([PYTHON, script, tmp_path], check=True, capture_output=True, timeout=100)
    found = json.loads(ran.stdout)
    refused, allowed = found["refuse"], found["allow"]
    assert {name: refused[name] for name in RULES} == dict.fromkeys(RULES, FAILED)
    assert {name: allowed[name] for name in RULES} == dict.fromkeys(RULES, "NOT_SPAM")
    assert (refused["room"], allowed["room"]) == ([403, *FAILED], "made")
    assert (refused["odd room"], refused["odd upgrade"]) == ([403, *FAILED], FAILED)
    for answers in (refused, allowed):
        assert {name: answers[name] for name in NEVER} == NEVER, "what is never allowed does not depend on a failure"
    assert not found["secret"]
    assert found["log"].count("ALARM liaison_policy") >= 2 * len(RULES)
    assert "RuntimeError at inside.py:" in found["log"]
    starts = found["starts"]  # a start that would not close anything ends in one line
    assert "federation_domain_whitelist" in starts["no gate"]
    assert starts["a typing mistake"].startswith("colour: ")
    assert starts["no folder"].startswith("state: cannot be used")
