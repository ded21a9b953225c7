# SPDX-License-Identifier: BSD-3-Clause
"""The web application: routes of the Open Inference Protocol over a repository of models.

Floor 7.  Whatever arrives, the answer is one of a few: what was asked for, or an error in a line.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Iterable
from typing import Final

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.routing import Route

from safeserial import __version__
from safeserial.keyring import Keyring
from safeserial.policy import Policy
from safeserial.serving import openapi
from safeserial.serving.desk import Desk, Guarded
from safeserial.serving.inference import Inference, served
from safeserial.serving.logs import Log, write_log
from safeserial.serving.metrics import Metrics
from safeserial.serving.pages import Pages
from safeserial.serving.replies import OK, Asked, Receive, Reply, Scope, Send, as_json
from safeserial.serving.repository import Place, Repository
from safeserial.serving.settings import Settings

_MODEL: Final = "/v2/models/{model}"
_VERSION: Final = _MODEL + "/versions/{version}"
_INFER: Final = re.compile("/v2/models/(?P<model>[^/]+)(?:/versions/(?P<version>[^/]+))?/infer")
_GET: Final = ["GET"]


def create_app(
    places: Iterable[Place],
    *,
    keyring: Keyring | None = None,
    policy: Policy | None = None,
    settings: Settings | None = None,
    pages: Pages | None = None,
    log: Log = write_log,
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
    pages : Pages, optional
        The page that verifies and runs models in the browser.
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
    desk = Desk(repository, chosen, metrics, log)

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

    infer = desk.guarded(Inference(desk).infer)
    made = _Application(
        routes=_routes(desk, infer, pages),
        lifespan=lifespan,
        exception_handlers={HTTPException: desk.lost},
    )
    made.infer = infer
    made.router.redirect_slashes = False  # no answer is made of the client's Host and query
    return made


class _Application(Starlette):
    """Starlette, with a short way to where nearly all requests go."""

    infer: Guarded

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request; predictions without a walk through routes and handlers.

        Middleware that somebody adds has to see every request: then there is no short way.
        """
        if scope["type"] == "http" and scope["method"] == "POST" and not self.user_middleware:
            found = _INFER.fullmatch(scope["path"])
            if found is not None:
                scope["path_params"] = found.groupdict()
                await self.infer(scope, receive, send)
                return
        await super().__call__(scope, receive, send)


def _routes(desk: Desk, infer: Guarded, pages: Pages | None) -> list[Route]:
    about = _About(desk, with_page=pages is not None)
    routes = [Route(f"{one}/infer", infer, methods=["POST"]) for one in (_MODEL, _VERSION)]
    for path, endpoint in (
        ("/", about.page),
        ("/openapi.json", about.openapi),
        ("/metrics", about.figures),
        ("/v2", about.server),
        ("/v2/health/live", about.live),
        ("/v2/health/ready", about.ready),
        (_MODEL, about.metadata),
        (_VERSION, about.metadata),
        (f"{_MODEL}/ready", about.model_ready),
        (f"{_VERSION}/ready", about.model_ready),
    ):
        routes.append(Route(path, desk.guarded(endpoint), methods=_GET))
    if pages is not None:
        routes.append(Route("/page/{model}/{file:path}", desk.guarded(pages.answer), methods=_GET))
    return routes


class _About:
    """What the server says of itself and of its models."""

    def __init__(self, desk: Desk, *, with_page: bool) -> None:
        self._desk = desk
        self._with_page = with_page

    async def page(self, asked: Asked) -> Reply:
        """Show the models to a person."""
        del asked
        text = openapi.page(self._desk.repository.served, with_page=self._with_page)
        return Reply(OK, text.encode(), b"text/html; charset=utf-8", _PAGE_HEADERS)

    async def openapi(self, asked: Asked) -> Reply:
        """Return the description for programs."""
        del asked
        return as_json(openapi.document(with_tokens=bool(self._desk.settings.tokens)))

    async def figures(self, asked: Asked) -> Reply:
        """Return the figures for Prometheus."""
        del asked
        text = self._desk.metrics.text(self._desk.repository.served)
        return Reply(OK, text, b"text/plain; version=0.0.4")

    async def server(self, asked: Asked) -> Reply:
        """Return name, version and extensions."""
        del asked
        extensions = ["binary_tensor_data"]
        return as_json({"name": "safeserial", "version": __version__, "extensions": extensions})

    async def live(self, asked: Asked) -> Reply:
        """Say that the server runs."""
        del asked
        return as_json({"live": True})

    async def ready(self, asked: Asked) -> Reply:
        """Say that all models are loaded."""
        del asked
        return as_json({"ready": True})

    async def metadata(self, asked: Asked) -> Reply:
        """Return inputs and outputs of a model."""
        one = served(self._desk, asked)
        return as_json(
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

    async def model_ready(self, asked: Asked) -> Reply:
        """Say that a model is loaded."""
        one = served(self._desk, asked)
        return as_json({"name": one.name, "ready": True})


_PAGE_HEADERS: Final = (
    (b"content-security-policy", b"default-src 'none'; style-src 'unsafe-inline'"),
    (b"x-content-type-options", b"nosniff"),
)
