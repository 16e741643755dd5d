"""Free ports of this machine for the processes of a local run."""

import contextlib
import random
import socket
from pathlib import Path

# Below the ports that the kernel gives to outgoing connections, so that a process which is
# started again finds its port as it left it.
LOWEST = 10_240
KERNEL_RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")


def is_free(port: int) -> bool:
    """Says whether nothing listens on a port of loopback."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def free_ports(count: int) -> list[int]:
    """Returns ports that are free now; another program may take one before it is used."""
    highest = _first_outgoing_port() - 1
    found: list[int] = []
    with contextlib.ExitStack() as stack:
        while len(found) < count:
            probe = stack.enter_context(socket.socket())
            try:
                probe.bind(("127.0.0.1", random.randint(LOWEST, highest)))
            except OSError:
                continue
            found.append(int(probe.getsockname()[1]))
    return found


def free_pair() -> int:
    """Returns a free port whose neighbour is free too."""
    while True:
        (port,) = free_ports(1)
        if is_free(port + 1):
            return port


def _first_outgoing_port() -> int:
    try:
        first = int(KERNEL_RANGE.read_text().split()[0])
    except (OSError, ValueError, IndexError):
        first = 32_768
    return first if first > LOWEST + 4_096 else 32_768
