# SPDX-License-Identifier: BSD-3-Clause
"""Sockets to a server, for what no client library would send; answers are read strictly."""

from __future__ import annotations

import contextlib
import errno
import json
import re
import socket

_GONE = {errno.ENOTCONN, errno.ECONNRESET, errno.ECONNABORTED, errno.EPIPE}
_STATUS = re.compile(rb"HTTP/1\.1 (\d{3}) ")


def connect(server, timeout=60):
    host, port = server.url.removeprefix("http://").split(":")
    return socket.create_connection((host, int(port)), timeout=timeout)


def received(connection) -> bytes:
    """Return all that comes until the server ends the connection."""
    pieces = []
    # Who still sends when a refusal is on its way may see a reset behind it.
    with contextlib.suppress(ConnectionError):
        while piece := connection.recv(2**16):
            pieces.append(piece)
    return b"".join(pieces)


def answers(raw: bytes, *, head_only=False):
    """Return statuses and bodies; all bytes belong to answers, of which the last may be cut."""
    found = []
    while raw:
        head, separator, rest = raw.partition(b"\r\n\r\n")
        match = _STATUS.match(head)
        assert match, raw[:80]
        if not separator:
            break
        status = int(match[1])
        if status == 100:
            raw = rest
            continue
        length = re.search(rb"(?i)\r\ncontent-length: (\d+)", head)
        assert length, head
        size = 0 if head_only else int(length[1])
        body, raw = rest[:size], rest[size:]
        if status >= 400 and len(body) == size and size:
            assert json.loads(body)["error"] or status >= 500, body
        found.append((status, body))
    return found


def perform(server, attack):
    """Carry an attack out and return the statuses of the answers."""
    with connect(server) as connection:
        try:
            for piece in attack.pieces:
                connection.sendall(piece)
            if attack.end == "half":
                connection.shutdown(socket.SHUT_WR)
        except OSError as failure:
            # A server that has refused and gone before all was sent is within its rights. Python
            # knows ENOTCONN, which a shutdown behind a reset gives, as no kind of ConnectionError.
            if failure.errno not in _GONE:
                raise
        if attack.end == "cut":
            return []
        first = attack.pieces[0] if attack.pieces else b""
        return [
            status
            for status, _ in answers(received(connection), head_only=first.startswith(b"HEAD "))
        ]
