"""A server that speaks PostgreSQL's protocol as far as to refuse whoever comes, or to say that it is an old one."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

_SSL = 80877103  # the code of an SSLRequest
ALONE = {"no_password": "28P01", "no_role": "28000", "no_database": "3D000", "full": "53300", "starting": "57P03"}
"""What it can say instead of letting somebody in, and the SQLSTATE of it."""


@contextmanager
def refusing(answer: str) -> Iterator[str]:
    """The address of a server for the time of the block; ``answer``: of :data:`ALONE`, or a version such as ``9.4``."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        said = _refused(ALONE[answer]) if answer in ALONE else _old(answer)
        thread = threading.Thread(target=_serve, args=(server, said), daemon=True)
        thread.start()
        yield f"postgresql://hub:SECRET@127.0.0.1:{server.getsockname()[1]}/hub"
        server.shutdown(socket.SHUT_RDWR)
        thread.join()


def _serve(server: socket.socket, said: bytes) -> None:
    with suppress(OSError):
        while True:
            peer, _ = server.accept()
            with peer, suppress(OSError, struct.error):
                while _code(peer) == _SSL:
                    peer.sendall(b"N")
                peer.sendall(said)
                peer.recv(1024)


def _code(peer: socket.socket) -> int:
    """Read the first message, which says a version or asks for TLS."""
    (length,) = struct.unpack("!I", peer.recv(4, socket.MSG_WAITALL))
    return int(struct.unpack("!I", peer.recv(length - 4, socket.MSG_WAITALL)[:4])[0])


def _message(kind: bytes, body: bytes) -> bytes:
    return kind + struct.pack("!I", len(body) + 4) + body


def _refused(code: str) -> bytes:
    return _message(b"E", b"SFATAL\0VFATAL\0C" + code.encode() + b"\0Mof hub, SECRET\0\0")


def _old(version: str) -> bytes:
    parameters = {"server_version": version, "server_encoding": "UTF8", "client_encoding": "UTF8"}
    told = [_message(b"S", f"{name}\0{value}\0".encode()) for name, value in parameters.items()]
    key, ready = _message(b"K", struct.pack("!II", 1, 2)), _message(b"Z", b"I")
    return b"".join([_message(b"R", struct.pack("!I", 0)), *told, key, ready])
