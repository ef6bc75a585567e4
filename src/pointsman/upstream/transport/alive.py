"""Finding out that a provider is gone without a word: a pulled cable, a dead machine, a forgotten NAT.

Strategy: the kernel asks (TCP keep-alive, RFC 9293, section 3.8.4) where nothing is under way, and gives a connection up
whose data nobody confirms (user timeout, RFC 5482). Without, a request on such a connection waits for its whole first byte
time-out.
"""

import socket
from typing import Final

IDLE_S: Final = 15
EVERY_S: Final = 5
PROBES: Final = 3
UNCONFIRMED_S: Final = 30

_PROBING: Final = (("TCP_KEEPIDLE", IDLE_S), ("TCP_KEEPALIVE", IDLE_S), ("TCP_KEEPINTVL", EVERY_S), ("TCP_KEEPCNT", PROBES))
"""Names as systems have them; the first is Linux's and the second macOS's for the same."""


def probe(sock: socket.socket) -> None:
    """Let the kernel ask whether the other side is still there."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _PROBING:
        if hasattr(socket, name):
            sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


def bound_unconfirmed(sock: socket.socket) -> None:
    """Let the kernel give up where what was sent is not confirmed."""
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNCONFIRMED_S * 1000)
