# SPDX-License-Identifier: BSD-3-Clause
"""What is asked, and what is answered: the little of HTTP that the endpoints need.

Floor 7.  Endpoints take an :class:`Asked` and return a :class:`Reply`; both stand directly on ASGI,
because most of what one row costs is spent between socket and model.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any, Final, NamedTuple

import msgspec

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

JSON: Final = b"application/json"
OK: Final = 200
UNKNOWN: Final = 401
BUSY: Final = 503
_MOST: Final = 1000
_ENCODE: Final = msgspec.json.Encoder().encode
Headers = tuple[tuple[bytes, bytes], ...]


class Refused(Exception):  # noqa: N818 - an answer
    """A request that is answered with an error."""

    def __init__(self, status: int, message: str, headers: Headers = ()) -> None:
        super().__init__(message)
        self.status = status
        self.headers = headers


class Asked:
    """A request: its path, headers and parameters as they came, its body still to be read."""

    __slots__ = ("headers", "method", "params", "path", "receive")

    def __init__(self, scope: Scope, receive: Receive) -> None:
        self.headers: Mapping[bytes, bytes] = dict(scope["headers"])
        self.method: str = scope["method"]
        # Not of a URL put together with the Host header, which says what the client likes.
        self.path: str = scope["path"]
        self.params: Mapping[str, str] = scope.get("path_params", {})
        self.receive = receive


class Reply(NamedTuple):
    """Status, body, its media type, and further headers."""

    status: int
    body: bytes
    kind: bytes = JSON
    headers: Headers = ()

    async def send(self, send: Send) -> None:
        """Hand it to the ASGI server."""
        length = b"%d" % len(self.body)
        headers = [(b"content-type", self.kind), (b"content-length", length), *self.headers]
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        await send({"type": "http.response.body", "body": self.body})


def as_json(content: Any) -> Reply:
    """Return an answer."""
    return Reply(OK, _ENCODE(content))


def refusal(status: int, message: str, headers: Headers = ()) -> Reply:
    """Return an error as the protocol has it."""
    if status == UNKNOWN:
        headers = (*headers, (b"www-authenticate", b"Bearer"))
    if status == BUSY:
        headers = (*headers, (b"retry-after", b"1"))
    # A name that was cut out of a client's bytes may end in half a character.
    clean = message[:_MOST].encode("utf-8", "replace").decode()
    return Reply(status, _ENCODE({"error": clean}), headers=headers)
