# SPDX-License-Identifier: BSD-3-Clause
"""Before and after every endpoint: who may ask, what errors become, what is counted and logged.

Floor 7.
"""

from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import Awaitable, Callable
from typing import Any, Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from safeserial.serving.batching import BusyError
from safeserial.serving.logs import Log, place_of
from safeserial.serving.metrics import Metrics
from safeserial.serving.replies import (
    OK,
    Asked,
    Receive,
    Refused,
    Reply,
    Scope,
    Send,
    refusal,
)
from safeserial.serving.repository import Repository
from safeserial.serving.settings import Settings
from safeserial.serving.tensors import BadRequestError

#: What a prober without a token may ask.
OPEN: Final = frozenset({"/v2/health/live", "/v2/health/ready"})
_NOBODY: Final = "-"
Endpoint = Callable[[Asked], Awaitable[Reply]]


class Desk:
    """What all endpoints share.

    Parameters
    ----------
    repository : Repository
        The models.
    settings : Settings
        Bounds and tokens.
    metrics : Metrics
        The counters.
    log : callable
        Told of every request.
    """

    def __init__(
        self, repository: Repository, settings: Settings, metrics: Metrics, log: Log
    ) -> None:
        self.repository = repository
        self.settings = settings
        self.metrics = metrics
        self.log = log
        self._tokens = [hashlib.sha256(one.encode()).digest() for one in settings.tokens]

    def guarded(self, endpoint: Endpoint) -> Guarded:
        """Return an endpoint as an ASGI application."""
        return Guarded(self, endpoint)

    def admit(self, asked: Asked) -> None:
        """Let a request pass, or refuse it: 401.

        Raises
        ------
        Refused
            If a token is needed and not given.
        """
        if not self._tokens or asked.path in OPEN:
            return
        scheme, _, token = asked.headers.get(b"authorization", b"").partition(b" ")
        given = hashlib.sha256(token.strip(b" \t")).digest()
        # All are compared, so that the time says nothing of which is near.
        good = [hmac.compare_digest(given, one) for one in self._tokens]
        if scheme.lower() != b"bearer" or not any(good):
            raise Refused(401, "a bearer token is needed")

    def note(self, asked: Asked, status: int, seconds: float) -> None:
        """Count and log a request."""
        name = asked.params.get("model", _NOBODY)
        known = name if self.repository.find(name) is not None else _NOBODY
        self.metrics.answered(known, status, seconds)
        if status == OK and asked.path in OPEN:  # a prober asks every second
            return
        self.log(
            "request",
            method=asked.method[:16],
            model=known,
            status=status,
            ms=round(1000 * seconds, 2),
        )

    async def lost(self, request: Request, error: Exception) -> Response:
        """Answer what no route was found for."""
        known = error if isinstance(error, HTTPException) else HTTPException(404)
        self.note(Asked(request.scope, request.receive), known.status_code, 0.0)
        reply = refusal(known.status_code, known.detail)
        return Response(reply.body, known.status_code, known.headers, "application/json")


class Guarded:
    """An endpoint with everything around it.

    A class and not a function, for Starlette takes it as an application then, with nothing between.
    """

    def __init__(self, desk: Desk, endpoint: Endpoint) -> None:
        self._desk = desk
        self._endpoint = endpoint

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        began = time.perf_counter()
        asked = Asked(scope, receive)
        try:
            self._desk.admit(asked)
            reply = await self._endpoint(asked)
        except Refused as refused:
            reply = refusal(refused.status, str(refused), refused.headers)
        except BadRequestError as error:
            reply = refusal(400, str(error))
        except BusyError:
            reply = refusal(503, "too many requests wait for this model")
        except Exception as error:  # noqa: BLE001 - a fault of ours, told without its text
            failed: dict[str, Any] = {"error": type(error).__name__}
            self._desk.log("failed", **failed, place=place_of(error.__traceback__))
            reply = refusal(500, "the server failed")
        self._desk.note(asked, reply.status, time.perf_counter() - began)
        await reply.send(send)
