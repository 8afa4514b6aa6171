"""Cuts a Python process off from everything but loopback, for good: an audit hook cannot be taken off again.

The hook sees every socket that Python opens.
It cannot see libuv's own (uvloop), which only our servers use, on 127.0.0.1.
"""

import sys

_CONNECTS = frozenset(("socket.connect", "socket.sendto", "socket.sendmsg"))
_LOOKS_UP = frozenset(("socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr"))
_LOOPBACK = ("127.", "::1", "::ffff:127.", "localhost")


class OutsideWorldError(RuntimeError):
    """A test tried to reach beyond this machine. Not an OSError: no client may take it for an unreachable server."""


def _guard(event: str, arguments: tuple[object, ...]) -> None:
    if event in _CONNECTS:
        address = arguments[1]
        host = address[0] if isinstance(address, tuple) else None  # a Unix socket's address is a path
    elif event in _LOOKS_UP:
        host = arguments[0]
    else:
        return
    name = host.decode(errors="replace") if isinstance(host, bytes) else host
    if isinstance(name, str) and name and not name.startswith(_LOOPBACK):
        raise OutsideWorldError(f"{event} to `{name}`: tests talk to 127.0.0.1 only")


sys.addaudithook(_guard)
