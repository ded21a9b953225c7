# SPDX-License-Identifier: BSD-3-Clause
"""Running the application: a socket, a signal to end, requests under way finished first.

Floor 7.
"""

from __future__ import annotations

import gc
import socket
from collections.abc import Callable, Iterable
from typing import Any

import uvicorn

from safeserial.errors import UnreadableFileError
from safeserial.files import StrPath
from safeserial.keyring import Keyring
from safeserial.policy import Policy
from safeserial.serving.app import create_app
from safeserial.serving.connections import protocol
from safeserial.serving.logs import captured
from safeserial.serving.pages import Pages
from safeserial.serving.repository import Place
from safeserial.serving.settings import Settings

_GRACE = 30
_BACKLOG = 2048


def serve(
    places: Iterable[Place],
    *,
    keyring: Keyring | None = None,
    policy: Policy | None = None,
    settings: Settings | None = None,
    host: str = "127.0.0.1",
    port: int = 8080,
    certificate: StrPath | None = None,
    private_key: StrPath | None = None,
    pages: Pages | None = None,
    ready: Callable[[str], None] | None = None,
) -> None:
    """Serve models until told to end (SIGINT or SIGTERM).

    Parameters
    ----------
    places, keyring, policy, settings, pages
        As in :func:`create_app`.
    host, port : str, int
        Where to listen; port 0 takes a free one.
    certificate, private_key : str or path-like, optional
        PEM files; with them the server speaks HTTPS.
    ready : callable, optional
        Told the server's URL once it listens.

    Raises
    ------
    SafeSerialError
        If a model is refused.
    UnreadableFileError
        If the address cannot be listened on, or the certificate not be read.
    """
    chosen = settings or Settings()
    with captured():
        app = create_app(places, keyring=keyring, policy=policy, settings=chosen, pages=pages)
        _run(_config(app, chosen, certificate, private_key), host, port, ready)


def _config(
    app: Any, chosen: Settings, certificate: StrPath | None, private_key: StrPath | None
) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http=protocol(chosen.seconds),
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=_GRACE,
        limit_concurrency=4 * chosen.queue,
        ssl_certfile=certificate,
        ssl_keyfile=private_key,
    )


def _run(config: uvicorn.Config, host: str, port: int, ready: Callable[[str], None] | None) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
        listening.listen(_BACKLOG)
        config.load()
    except (OSError, OverflowError) as error:
        listening.close()
        raise UnreadableFileError(
            f"cannot serve at {host}:{port}: {error}", hint="choose another --host or --port"
        ) from None
    with listening:
        # What is loaded by now stays: the collector need not look at it again and again.
        gc.collect()
        gc.freeze()
        if ready is not None:
            scheme = "https" if config.ssl_certfile else "http"
            shown = f"[{host}]" if family == socket.AF_INET6 else host
            ready(f"{scheme}://{shown}:{listening.getsockname()[1]}")
        uvicorn.Server(config).run(sockets=[listening])
