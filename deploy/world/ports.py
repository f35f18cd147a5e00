"""Free ports on 127.0.0.1 that two runs side by side never both get."""

import random
import socket
from collections.abc import Sequence
from itertools import chain

# Below the kernel's range for outgoing connections, so that no client's port is in the way later. What one run needs
# and what a state directory keeps for the next one never meet: nobody takes a stopped world's port by chance.
PASSING = range(22000, 32000)
KEPT = range(20000, 22000)

_reserved: dict[int, int] = {}  # port -> the file descriptor of its lock


def free_port(among: range = PASSING) -> int:
    """Reserve a free port for as long as this process lives.

    Raises OSError when there is none.
    """
    first = random.SystemRandom().randrange(len(among))  # a test may have seeded the common one
    for port in chain(among[first:], among[:first]):
        if port not in _reserved and reserve(port):
            return port
    raise OSError(f"no free port between {among.start} and {among.stop}")


def free_ports(count: int, among: range = PASSING) -> list[int]:
    """Reserve several free ports."""
    return [free_port(among) for _ in range(count)]


def free_together(offsets: Sequence[int], among: range = PASSING) -> int:
    """Reserve ports that stand at fixed distances from one another; give the one from which they are counted.

    Raises OSError when there are none.
    """
    first = random.SystemRandom().randrange(len(among))
    for base in chain(among[first:], among[:first]):
        wanted = {base + offset for offset in offsets}
        if max(wanted) < among.stop and not _reserved.keys() & wanted and all(map(reserve, wanted)):
            return base
    raise OSError(f"no free ports between {among.start} and {among.stop}")


def reserve(port: int) -> bool:
    """Reserve this very port; say whether that was possible."""
    if port in _reserved:
        return True
    # An abstract Unix socket is a lock that the kernel drops with its process, whoever that runs as.
    lock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        lock.bind(f"\0liaison-port-{port}")
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
    except OSError:
        lock.close()
        return False
    _reserved[port] = lock.detach()
    return True
