# SPDX-License-Identifier: BSD-3-Clause
"""The web application: routes of the Open Inference Protocol over a repository of models.

Floor 7.  Whatever arrives, the answer is one of a few: what was asked for, or an error in a line.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import hmac
import json
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from typing import Any, Final, cast

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.requests import Request as HttpRequest
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from safeserial import __version__
from safeserial.keyring import Keyring
from safeserial.policy import Policy
from safeserial.serving import openapi, requests
from safeserial.serving.batching import BusyError
from safeserial.serving.metrics import Metrics
from safeserial.serving.repository import Place, Repository, Served
from safeserial.serving.settings import Settings
from safeserial.serving.tensors import BadRequestError

_OPEN: Final = frozenset({"/v2/health/live", "/v2/health/ready"})
_NOBODY: Final = "-"
_GOOD, _UNKNOWN, _BUSY = 200, 401, 503
Endpoint = Callable[[HttpRequest], Awaitable[Response]]


class _Refused(Exception):  # noqa: N818 - an answer
    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


def write_log(event: str, **fields: Any) -> None:
    """Write one line of JSON to stderr."""
    line = {"time": round(time.time(), 3), "event": event, **fields}
    print(json.dumps(line, ensure_ascii=True), file=sys.stderr, flush=True)  # noqa: T201


def create_app(
    places: Iterable[Place],
    *,
    keyring: Keyring | None = None,
    policy: Policy | None = None,
    settings: Settings | None = None,
    log: Callable[..., None] = write_log,
) -> Starlette:
    """Return the application, its models verified and loaded.

    Parameters
    ----------
    places : iterable of Place
        The models.
    keyring : Keyring, optional
        Whose word counts.  Default: the ring that the environment names.
    policy : Policy, optional
        What is accepted.
    settings : Settings, optional
        Bounds.
    log : callable, default=write_log
        Told what happens, never with anybody's data: ``log(event, **fields)``.

    Returns
    -------
    starlette.applications.Starlette
        For any ASGI server.

    Raises
    ------
    SafeSerialError
        If a model is refused.
    """
    chosen = settings or Settings()
    metrics = Metrics()
    repository = Repository(
        places,
        keyring=keyring,
        policy=policy,
        settings=chosen,
        observe=metrics.ran,
        log=log,
    )
    repository.load()
    desk = _Desk(repository, chosen, metrics, log)

    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        del app
        following = None
        if chosen.follow_seconds > 0:
            following = asyncio.create_task(repository.follow())
        yield
        if following is not None:
            following.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await following

    model = "/v2/models/{model}"
    version = model + "/versions/{version}"
    routes = [
        Route("/", desk.guarded(desk.page)),
        Route("/openapi.json", desk.guarded(desk.openapi)),
        Route("/metrics", desk.guarded(desk.metrics_text)),
        Route("/v2", desk.guarded(desk.server)),
        Route("/v2/health/live", desk.guarded(desk.live)),
        Route("/v2/health/ready", desk.guarded(desk.ready)),
    ]
    for place in (model, version):
        routes += [
            Route(place, desk.guarded(desk.metadata)),
            Route(f"{place}/ready", desk.guarded(desk.model_ready)),
            Route(f"{place}/infer", desk.guarded(desk.infer), methods=["POST"]),
        ]
    return Starlette(
        routes=routes,
        lifespan=lifespan,
        exception_handlers={HTTPException: _not_found, Exception: _failed},
    )


async def _not_found(request: HttpRequest, error: Exception) -> Response:
    del request
    known = cast("HTTPException", error)
    return JSONResponse({"error": known.detail}, known.status_code, headers=known.headers)


async def _failed(request: HttpRequest, error: Exception) -> Response:
    del request, error
    return JSONResponse({"error": "the server failed"}, 500)


class _Desk:
    """The endpoints."""

    def __init__(
        self,
        repository: Repository,
        settings: Settings,
        metrics: Metrics,
        log: Callable[..., None],
    ) -> None:
        self._repository = repository
        self._settings = settings
        self._metrics = metrics
        self._log = log
        self._tokens = [hashlib.sha256(one.encode()).digest() for one in settings.tokens]

    def guarded(self, endpoint: Endpoint) -> Endpoint:
        """Wrap an endpoint: who may ask, what errors become, what is counted and logged."""

        async def answer(request: HttpRequest) -> Response:
            began = time.perf_counter()
            try:
                self._admit(request)
                response = await endpoint(request)
            except _Refused as refused:
                response = self._refusal(refused.status, str(refused))
            except BadRequestError as error:
                response = self._refusal(400, str(error))
            except BusyError:
                response = self._refusal(503, "too many requests wait for this model")
            except TimeoutError:
                response = self._refusal(503, "the model took too long")
            except ClientDisconnect:
                response = self._refusal(400, "the client went away")
            self._note(request, response.status_code, time.perf_counter() - began)
            return response

        return answer

    def _admit(self, request: HttpRequest) -> None:
        if not self._tokens or request.url.path in _OPEN:
            return
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        given = hashlib.sha256(token.strip().encode("utf-8", "surrogateescape")).digest()
        # All are compared, so that the time says nothing of which is near.
        good = [hmac.compare_digest(given, one) for one in self._tokens]
        if scheme.lower() != "bearer" or not any(good):
            raise _Refused(401, "a bearer token is needed")

    def _refusal(self, status: int, message: str) -> Response:
        headers = {"WWW-Authenticate": "Bearer"} if status == _UNKNOWN else {}
        if status == _BUSY:
            headers["Retry-After"] = "1"
        return JSONResponse({"error": message[:1000]}, status, headers=headers)

    def _note(self, request: HttpRequest, status: int, seconds: float) -> None:
        name = request.path_params.get("model", _NOBODY)
        known = name if self._repository.find(name) is not None else _NOBODY
        self._metrics.requests.labels(known, str(status)).inc()
        self._metrics.seconds.labels(known).observe(seconds)
        if request.url.path in _OPEN and status == _GOOD:
            return
        self._log(
            "request",
            method=request.method,
            model=known,
            status=status,
            ms=round(1000 * seconds, 2),
        )

    def _served(self, request: HttpRequest) -> Served:
        params = request.path_params
        found = self._repository.find(params["model"], params.get("version"))
        if found is None:
            raise _Refused(404, "there is no such model, or not of this version")
        return found

    async def page(self, request: HttpRequest) -> Response:
        """Show the models to a person."""
        del request
        return HTMLResponse(openapi.page(self._repository.served), headers=_PAGE_HEADERS)

    async def openapi(self, request: HttpRequest) -> Response:
        """Return the description for programs."""
        del request
        return JSONResponse(openapi.document())

    async def metrics_text(self, request: HttpRequest) -> Response:
        """Return the figures for Prometheus."""
        del request
        self._metrics.models.clear()
        for one in self._repository.served:
            self._metrics.waiting.labels(one.name).set(one.batcher.waiting)
            self._metrics.models.labels(one.name, one.version, one.artifact_id).set(1)
        return Response(self._metrics.text(), media_type="text/plain; version=0.0.4")

    async def server(self, request: HttpRequest) -> Response:
        """Return name, version and extensions."""
        del request
        about = {"name": "safeserial", "version": __version__, "extensions": ["binary_tensor_data"]}
        return JSONResponse(about)

    async def live(self, request: HttpRequest) -> Response:
        """Say that the server runs."""
        del request
        return JSONResponse({"live": True})

    async def ready(self, request: HttpRequest) -> Response:
        """Say that all models are loaded."""
        del request
        return JSONResponse({"ready": True})

    async def metadata(self, request: HttpRequest) -> Response:
        """Return inputs and outputs of a model."""
        one = self._served(request)
        return JSONResponse(
            {
                "name": one.name,
                "versions": [one.version],
                "platform": one.runner.platform,
                "inputs": [spec.to_dict() for spec in one.runner.inputs],
                "outputs": [spec.to_dict() for spec in one.runner.outputs],
                "properties": {
                    "artifact_id": one.artifact_id,
                    "signers": ", ".join(one.signers),
                },
            }
        )

    async def model_ready(self, request: HttpRequest) -> Response:
        """Say that a model is loaded."""
        one = self._served(request)
        return JSONResponse({"name": one.name, "ready": True})

    async def infer(self, request: HttpRequest) -> Response:
        """Predict."""
        one = self._served(request)
        if request.headers.get("content-encoding", "identity") != "identity":
            raise _Refused(415, "compressed requests are not offered")
        body = await self._body(request)
        asked = requests.parse(body, request.headers.get(requests.HEADER_LENGTH))
        wanted = list(asked.outputs or ())
        try:
            outputs = await one.batcher.ask(asked.inputs, wanted)
        except (BadRequestError, BusyError, TimeoutError):
            raise
        except Exception as error:  # noqa: BLE001 - what a model says of values it does not take
            raise _Refused(400, f"the model refuses these inputs ({_said(error)})") from None
        raw, length = requests.respond(asked, one.name, one.version, outputs)
        if length is None:
            return Response(raw, media_type="application/json")
        headers = {requests.HEADER_LENGTH: str(length)}
        return Response(raw, media_type="application/octet-stream", headers=headers)

    async def _body(self, request: HttpRequest) -> bytes:
        limit = self._settings.body_bytes
        declared = request.headers.get("content-length", "0")
        if not declared.isdigit() or int(declared[:20]) > limit:
            raise _Refused(413, f"a request has at most {limit} bytes")
        pieces, size = [], 0
        async with asyncio.timeout(self._settings.seconds):
            async for piece in request.stream():
                size += len(piece)
                if size > limit:
                    raise _Refused(413, f"a request has at most {limit} bytes")
                pieces.append(piece)
        return b"".join(pieces)


_PAGE_HEADERS: Final = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'",
    "X-Content-Type-Options": "nosniff",
}


def _said(error: Exception) -> str:
    """Return an error's class; its text may hold a value of the client's data."""
    return type(error).__name__
