"""What a child process uses, as the kernel counts it."""

from __future__ import annotations

import time
from pathlib import Path


def cpu_ms(pid: int) -> float:
    """Processor time so far, user and system, all threads; exact, since the kernel has a clock for each process."""
    return time.clock_gettime_ns(~pid << 3 | 2) / 1e6  # MAKE_PROCESS_CPUCLOCK(pid, CPUCLOCK_SCHED)


def rss_kib(pid: int) -> int:
    """Memory in use: resident, not shared with files."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1])
    raise OSError("no RssAnon")
