"""The bench runs and writes what it promises; its figures are looked at by people, not by tests."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from bridge.networks.mail.mime.mail import parse
from deploy.bench import child, cost
from deploy.bench.inside import policy
from deploy.bench.peers.peer import peer
from deploy.bench.sender import Letter

# Statements and transactions for one message that is alone. It asks 24 and 22; a busy machine tells its state in more
# than one round, which is a statement or two more each, and looks again at whoever has just come in.
MOST = {"to_matrix": (31, 6), "to_product": (27, 6)}
CLOCKWORK = {  # asked by a clock, not by a message
    "e2ee.late", "e2ee.sends", "e2ee.wedged-todo", "matrix.rooms",
    "trail.last", "trail.last-checkpoint", "trail.next", "trail.messages", "trail.reached", "trail.chain",
    "trail.taken", "trail.checkpoint",
}  # fmt: skip
ROOT = Path(__file__).resolve().parents[2]
UNITS = (
    "_ms",
    "_per_s",
    "_s",
    "_ratio",
    "_share_of_bare",
    "_share_of_sqlite",
    "_ghosts",
    "_ghost",
    "_to_matrix",
    "_to_product",
    "_puts",
)
MAIL_UNITS = (*UNITS, "_share_of_postfix", "_share_of_postfix_delivered", "_per_mail", "_us", "_bytes", "_of_1k")


def run(out: Path, *parts: str) -> dict[str, float]:
    command = [sys.executable, "-m", "deploy.bench", "--quick", "--out", str(out)]
    for part in parts:
        command += ["--only", part]
    subprocess.run(command, cwd=ROOT, check=True, timeout=500, stdout=subprocess.DEVNULL)
    found: dict[str, float] = json.loads(out.read_text())
    return found


def test_the_cost_of_messages_and_ghosts_is_measured(tmp_path: Path) -> None:
    found = run(tmp_path / "bench.json", "cost", "ghosts")
    for way in ("to_matrix", "to_product"):
        assert found[f"cpu_puts_{way}"] > 1
        assert 0 < found[f"postgres_trips_per_message_{way}"] < found[f"statements_per_message_{way}"]
        assert found[f"transactions_per_message_{way}"] >= found[f"commits_per_message_{way}"] > 0
    assert found["cpu_postgres_share_of_sqlite"] > 0.5
    assert found["libolm_send_puts"] > 1
    assert found["libolm_stored_send_puts"] > 1
    assert 0 < found["hub_cpu_ms_per_message_to_matrix"] < 50
    assert 0 < found["hub_cpu_ms_per_message_to_product"] < 50
    assert found["ghost_cpu_ms"] > 0
    assert "memory_kib_per_active_ghost" in found
    assert [key for key in found if not key.endswith(UNITS) and not key.startswith("machine")] == []


@pytest.mark.long
async def test_a_whole_bridge_of_another_library_carries_the_same_messages(tmp_path: Path) -> None:
    async with cost.world(tmp_path, 2, start=peer) as bench:
        found = await cost.rooms(bench, 2)
        assert await cost.to_matrix(bench, 8, 2) > 0
        assert await cost.to_product(bench, 8, found) > 0
        await bench.ben.heard(f"{cost.TEXT}3")  # she can read it


@pytest.mark.long
def test_changes_of_a_message_and_a_large_room_are_measured(tmp_path: Path) -> None:
    found = run(tmp_path / "bench.json", "kinds")
    for kind in ("edit", "reaction", "removal"):
        assert 0 < found[f"{kind}_cpu_share_of_text_to_matrix"] < 10
    for what in ("message_to_matrix", "message_to_product", "join", "rotation"):
        assert found[f"room_100_{what}_cpu_ms"] > 0


def test_a_receipt_beside_many_old_messages_is_measured(tmp_path: Path) -> None:
    found = run(tmp_path / "bench.json", "aged")
    assert 0 < found["receipt_cpu_100k_old_share"] < 10
    assert found["receipt_cpu_ms"] > 0


@pytest.mark.long
def test_what_waits_for_a_product_that_is_away_is_measured(tmp_path: Path) -> None:
    found = run(tmp_path / "bench.json", "backlog")
    for count in ("2", "100k"):
        assert found[f"waiting_{count}_ready_s"] > 0
        assert 0 < found[f"waiting_{count}_others_median_ms"] <= found[f"waiting_{count}_others_p99_ms"]
        assert found[f"waiting_{count}_rss_mib"] > 10
        assert found[f"waiting_{count}_stop_s"] > 0
    assert [
        key for key in found if not key.endswith((*UNITS, "_mib", "_share")) and not key.startswith("machine")
    ] == []


@pytest.mark.long
@pytest.mark.peers
def test_a_homeserver_of_many_processes_is_measured_beside_one(tmp_path: Path) -> None:
    found = run(tmp_path / "bench.json", "scaled")
    assert found["scaled_hub_share_of_one"] > 0
    assert 0 < found["scaled_busiest_cpu_share_of_one"] < found["scaled_cpu_share_of_one"]


@pytest.mark.long
@pytest.mark.peers
def test_throughput_and_latency_are_measured_beside_a_real_homeserver(tmp_path: Path) -> None:
    found = run(tmp_path / "bench.json", "real")
    for key in ("throughput_share_of_bare", "latency_native_median_ms", "ghost_wall_ratio"):
        assert found[key] > 0
    for way in ("to_matrix", "to_product"):
        assert f"latency_added_{way}_p99_ms" in found
    assert [key for key in found if not key.endswith(UNITS) and not key.startswith("machine")] == []


@pytest.mark.postgres
async def test_a_message_asks_no_more_of_the_database_than_today(url: str, tmp_path: Path) -> None:
    """One alone, so that it shares nothing; whoever needs more for a reason raises the bound and gives the reason."""
    found = await cost.counted(tmp_path / "hub", 1, 8, None if url.startswith("sqlite") else url, each=1)
    for way, done in found.items():
        statements, transactions = MOST[way]
        asked = sum(n for name, n in done.statements.items() if name not in CLOCKWORK)
        assert asked <= statements, f"{asked} statements {way}: {done.statements}"
        assert done.transactions <= transactions


def test_what_a_process_uses() -> None:
    pid, start = os.getpid(), child.cpu_ms(os.getpid())
    while child.cpu_ms(pid) < start + 30:
        sum(range(10_000))
    assert child.rss_kib(pid) > 1000


@pytest.mark.long
@pytest.mark.peers
@pytest.mark.skipif(os.geteuid() != 0, reason="Postfix is started by root only")
def test_mail_is_measured_beside_a_real_operator_and_the_trust_list_at_full_size(tmp_path: Path) -> None:
    found = run(tmp_path / "bench.json", "mail", "drain", "trust")
    for what in ("taken", "delivered"):
        assert found[f"mail_hub_{what}_per_s"] > 0
        assert found[f"mail_postfix_{what}_per_s"] > 0
        assert found[f"mail_{what}_share_of_postfix"] > 0
    for way in ("mail_to_room", "mail_room_to_mail", "mail_native"):
        assert 0 < found[f"{way}_median_s"] <= found[f"{way}_p99_s"]
    assert found["mail_delivered_share_of_bare"] > 0
    assert found["mail_waiting_10k_per_s"] > 0
    assert "mail_waiting_10k_share_of_1k" in found
    assert found["trust_verify_and_load_s"] > 0
    assert found["trust_decision_us"] > 0
    assert found["federation_reload_20k_s"] > 0
    assert [key for key in found if not key.endswith(MAIL_UNITS) and not key.startswith("machine")] == []


@pytest.mark.parametrize("html", [False, True])
def test_the_mails_of_the_bench_are_ordinary_ones_of_about_4_kb(html: bool) -> None:
    raw = Letter("r1.2.3", "a2@operateur.example", "b@hub.example", "marque-1-2", "r1.2.2", html=html).raw()
    mail = parse(raw)
    assert 3500 < len(raw) < 4700
    assert mail.message_id == "r1.2.3@operateur.example"
    assert mail.references == ("r1.2.2@operateur.example",)
    assert "marque-1-2" in mail.text
    assert bool(mail.html) == html
    assert mail.problems == ()
    assert not any(line.startswith(b".") for line in raw.split(b"\r\n"))


@pytest.mark.long
def test_the_national_directory_is_measured_on_both_databases(tmp_path: Path) -> None:
    found = run(tmp_path / "bench.json", "directory")
    for engine in ("sqlite", "postgres"):
        assert found[f"directory_unchanged_{engine}_s"] > 0
        assert 20 < found[f"directory_import_{engine}_mib"] < 400
        assert 0 < found[f"directory_search_{engine}_p50_ms"] <= found[f"directory_search_{engine}_p95_ms"]
    assert found["directory_search_p95_ms"] >= found["directory_search_sqlite_p95_ms"]
    assert "directory_import_2m_s" not in found


@pytest.mark.long
def test_the_policy_module_is_measured_by_itself(tmp_path: Path) -> None:
    """Beside a running Synapse it is measured by the bench only."""
    found = policy.alone(tmp_path / "policy", True)
    calls = {"message", "foreign_message", "topic", "invite", "invite_100_rules"}
    assert found.keys() == {f"policy_{name}_us" for name in calls} | {"policy_reload_20k_ms"}
    assert all(figure > 0 for figure in found.values())
