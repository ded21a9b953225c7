# SPDX-License-Identifier: BSD-3-Clause
"""Connections that end: heads of bounded size, requests and answers that keep moving.

Floor 7.  uvicorn bounds how many connections there are, and how long an idle one is kept after an
answer.  It waits without end for a head that never ends, for the rest of a body that nobody reads
any more, and for a client that does not take its answer.  Here each of these has its time.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final, cast

import msgspec
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

HEAD_BYTES: Final = 64 * 2**10
_END: Final = b"\r\n\r\n"
_CONTINUE: Final = b"HTTP/1.1 100 "
_LATE, _BAD, _LARGE = 408, 400, 431
_HEAD: Final = b"content-type: application/json\r\nconnection: close\r\ncontent-length: %d\r\n\r\n"


class _TooLargeError(Exception):
    """A head is larger than :data:`HEAD_BYTES`."""


def protocol(seconds: float) -> type[asyncio.Protocol]:
    """Return the protocol of connections whose requests arrive within some time."""

    class Bounded(Connection):
        patience = seconds

    return Bounded


class Whole:
    """A transport that writes the head of an answer together with its body: one call, not two."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._head = b""
        self.is_closing = transport.is_closing

    def write(self, data: bytes) -> None:
        """Keep a head; write anything else, after the head that is kept."""
        if not self._head and data.endswith(_END) and not data.startswith(_CONTINUE):
            self._head = data
        else:
            self._transport.write(self._head + data)
            self._head = b""

    def flush(self) -> None:
        """Write the head of an answer that has no body."""
        if self._head:
            self._transport.write(self._head)
            self._head = b""

    def close(self) -> None:
        """Close the transport after what was written."""
        self.flush()
        self._transport.close()


class Connection(HttpToolsProtocol):
    """A connection of a client."""

    patience: float = 30.0

    def __init__(self, *arguments: Any, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self._since: float | None = None  # since when the client owes us the rest of a request
        self._unparsed = 0  # bytes since the parser last had something for us
        self._in_head = True
        self._too_large = False
        self._unsent = 0
        self._watch: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to watch it."""
        super().connection_made(transport)
        self._since = self.loop.time()
        self._whole = cast("asyncio.Transport", Whole(transport))
        self._look_later()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop watching it."""
        if self._watch is not None:
            self._watch.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read what came."""
        if self._since is None:
            self._since = self.loop.time()
        self._unparsed += len(data)
        super().data_received(data)
        if self._unparsed > HEAD_BYTES and not self.transport.is_closing():
            self._too_large = True
            self.send_400_response("")

    def on_message_begin(self) -> None:
        """Expect its head."""
        self._since = self.loop.time()
        self._in_head = True
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Start a request."""
        if self._unparsed > HEAD_BYTES and self._head_bytes() > HEAD_BYTES:
            self._too_large = True
            raise _TooLargeError
        self._unparsed = 0
        super().on_headers_complete()
        self._in_head = False
        self.cycle.transport = self._whole

    def on_body(self, body: bytes) -> None:
        """Go on with its body."""
        self._unparsed = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Know that it is whole."""
        self._unparsed = 0
        self._since = None
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """Go on with the next request."""
        cast("Whole", self._whole).flush()
        super().on_response_complete()

    def send_400_response(self, msg: str) -> None:
        """Refuse what is not HTTP."""
        if self._too_large:
            self._refuse(_LARGE, "a head has at most 64 KiB")
        else:
            self._refuse(_BAD, msg)

    def _head_bytes(self) -> int:
        return len(self.url) + sum(len(name) + len(value) for name, value in self.headers)

    def _refuse(self, status: int, message: str) -> None:
        """Answer and end; but an answer under way comes before, and then is the last."""
        if self.transport.is_closing():
            return
        cycle: Any = self.cycle
        waiting = cycle is not None and not cycle.response_complete
        if waiting and not cycle.more_body:  # a whole request, and what follows it is none
            self.pipeline.clear()
            cycle.keep_alive = False
            self.flow.pause_reading()
            return
        if self._in_head or (waiting and not cycle.response_started):
            body = msgspec.json.encode({"error": message})
            self.transport.write(STATUS_LINE[status] + _HEAD % len(body) + body)
        self.transport.close()

    def _look_later(self) -> None:
        self._watch = self.loop.call_later(self.patience / 2, self._look)

    def _look(self) -> None:
        """End it if nothing has moved for too long."""
        unsent = self.transport.get_write_buffer_size()
        if unsent and unsent == self._unsent:
            self.transport.abort()
            return
        self._unsent = unsent
        since = self._since
        if since is not None and self.loop.time() - since >= self.patience:
            self._refuse(_LATE, "the request took too long to arrive")
        self._look_later()
