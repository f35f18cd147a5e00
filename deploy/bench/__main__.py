"""``python -m deploy.bench [--quick] [--only PART] [--out file]``: measure, print, write."""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import os
import platform
import shutil
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from deploy.bench import aged, backlog, cost, directory, drain, ghosts, kinds, large, mail, real, trust
from deploy.bench.inside import policy
from deploy.bench.several import deaths, scaled
from deploy.bench.transfers import files

Part = Callable[[Path, bool], Awaitable[dict[str, float]]]
PARTS: dict[str, Part] = {
    "cost": cost.measure,
    "kinds": kinds.measure,
    "aged": aged.measure,
    "ghosts": ghosts.measure,
    "backlog": backlog.measure,
    "large": large.measure,
    "real": real.measure,
    "scaled": scaled.measure,
    "files": files.measure,
    "mail": mail.measure,
    "drain": drain.measure,
    "trust": trust.measure,
    "directory": directory.measure,
    "policy": policy.measure,
    "workers": deaths.measure,
}
TARGETS = {
    "hub_cpu_ms_per_message_to_matrix": ("≤", 1.5),
    "hub_cpu_ms_per_message_to_product": ("≤", 1.5),
    "cpu_puts_to_matrix": ("≤", 4.0),
    "cpu_puts_to_product": ("≤", 4.0),
    "cpu_puts_postgres_to_matrix": ("≤", 6.0),
    "cpu_puts_postgres_to_product": ("≤", 6.0),
    "mail_alone_puts": ("≤", 15.0),
    "mail_kept_alone_puts": ("≤", 15.0),
    "cpu_postgres_share_of_sqlite": ("≤", 1.5),
    "receipt_cpu_100k_old_share": ("≤", 1.3),
    "large_room_first_message_s": ("≤", 8.0),
    "throughput_share_of_bare": ("≥", 0.9),
    "files_to_matrix_share_of_plain": ("≥", 0.5),
    "files_to_product_share_of_plain": ("≥", 0.5),
    "files_memory_mib_100mb": ("≤", 16.0),
    "files_memory_mib_20_at_once": ("≤", 128.0),
    "failover_worker_p99_s": ("≤", 5.0),
    "failover_machine_p99_s": ("≤", 5.0),
    "waiting_100k_ready_s": ("≤", 5.0),
    "waiting_100k_others_p99_ms": ("≤", 200.0),
    "mail_delivered_share_of_postfix": ("≥", 0.5),
    "mail_delivered_share_of_bare": ("≥", 0.9),
    "mail_waiting_10k_share_of_1k": ("≤", 1.2),
    "trust_verify_and_load_s": ("≤", 2.0),
    "trust_decision_us": ("≤", 50.0),
    "directory_import_2m_s": ("≤", 600.0),
    "directory_import_mib": ("≤", 400.0),
    "directory_unchanged_s": ("≤", 60.0),
    "directory_search_p95_ms": ("≤", 30.0),
    "policy_event_share_of_bare": ("≤", 1.1),
    "policy_message_us": ("≤", 20.0),
    "policy_topic_us": ("≤", 300.0),
    "policy_invite_100_rules_us": ("≤", 300.0),
    "policy_reload_20k_ms": ("≤", 1000.0),
}


def main() -> None:
    """Run what was asked for."""
    parser = argparse.ArgumentParser(prog="python -m deploy.bench", description="Measure a hub on this machine.")
    parser.add_argument("--quick", action="store_true", help="only show that it works: the figures mean nothing")
    parser.add_argument("--only", choices=PARTS, action="append", help="one part; may be given more than once")
    parser.add_argument("--out", type=Path, default=Path("bench.json"))
    asked = parser.parse_args()
    logging.basicConfig(level=logging.ERROR)  # of the hub that is counted, which runs in this process
    start, folder = time.monotonic(), Path(tempfile.mkdtemp(prefix="liaison-bench-"))
    try:
        found = asyncio.run(_measure(folder, asked.only or list(PARTS), asked.quick))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    found |= {"bench_duration_s": time.monotonic() - start, "machine_cores": float(os.cpu_count() or 0)}
    asked.out.write_text(json.dumps(found, indent=2) + "\n")
    print(f"\nwritten to {asked.out}; {platform.machine()}, {os.cpu_count()} cores, {found['bench_duration_s']:.0f} s")


async def _measure(folder: Path, parts: list[str], quick: bool) -> dict[str, float]:
    found: dict[str, float] = {}
    for name in parts:
        for key, value in (await PARTS[name](folder / name, quick)).items():
            found[key] = round(value, 3)
            sign, target = TARGETS.get(key, ("", 0.0))
            print(f"{key:48} {value:10.3f}" + (f"   (target {sign} {target})" if sign else ""), flush=True)
    return found


if __name__ == "__main__":
    main()
