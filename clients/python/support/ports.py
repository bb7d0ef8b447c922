"""Free loopback ports."""

import socket


def free_ports(count: int) -> list[int]:
    """Free loopback ports, all different. All are held until the last is known."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()
