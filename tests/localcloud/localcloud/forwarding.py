"""Passes TCP connections on to another address."""

from __future__ import annotations

import contextlib
import socket
import threading

_PIECE = 65_536


def serve(at: tuple[str, int], to: tuple[str, int]) -> None:
    """Listens at an address as long as the process lives."""
    listener = socket.create_server(at, backlog=128)
    threading.Thread(target=_accept, args=(listener, to), daemon=True).start()


def _accept(listener: socket.socket, to: tuple[str, int]) -> None:
    while True:
        client, _ = listener.accept()
        try:
            server = socket.create_connection(to)
        except OSError:  # nobody listens there (yet, or any more)
            client.close()
            continue
        for source, sink in ((client, server), (server, client)):
            threading.Thread(target=_pass, args=(source, sink), daemon=True).start()


def _pass(source: socket.socket, sink: socket.socket) -> None:
    """One direction, until its source says no more."""
    with contextlib.suppress(OSError):
        while piece := source.recv(_PIECE):
            sink.sendall(piece)
    with contextlib.suppress(OSError):
        sink.shutdown(socket.SHUT_WR)
