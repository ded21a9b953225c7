# SPDX-License-Identifier: BSD-3-Clause
"""The application under an ASGI server that is this test: bodies in pieces, middleware, bounds."""

from __future__ import annotations

import asyncio
import json

import pytest

from safeserial.serving import Place, Settings, create_app
from tests.serving.conftest import FOREST, RING, X

BODY = json.dumps(
    {"inputs": [{"name": "X", "shape": [1, 6], "datatype": "FP64", "data": X[0].tolist()}]}
).encode()


def application(folder, **settings):
    place = Place("python", str(folder / "python.safeserial"))
    bounds = Settings(follow_seconds=0, **settings)
    return create_app([place], keyring=RING, settings=bounds, log=lambda *_, **__: None)


async def asked(app, pieces, *, path="/v2/models/python/infer", gate=None, headers=()):
    """Send a body in pieces, the last only when a gate opens; return status and body."""
    left, sent = list(pieces), []

    async def receive():
        if len(left) == 1 and gate is not None:
            await gate.wait()
        piece = left.pop(0)
        if piece is None:
            return {"type": "http.disconnect"}
        return {"type": "http.request", "body": piece, "more_body": bool(left)}

    async def send(message):
        sent.append(message)

    scope = {
        "type": "http", "method": "POST", "path": path, "raw_path": path.encode(),
        "query_string": b"", "headers": list(headers), "root_path": "", "http_version": "1.1",
        "scheme": "http", "server": ("a", 80), "client": ("b", 1), "asgi": {"version": "3.0"},
    }  # fmt: skip
    await app(scope, receive, send)
    return sent[0]["status"], b"".join(one.get("body", b"") for one in sent[1:])


def test_a_body_in_pieces(folder):
    app = application(folder)
    pieces = [BODY[at : at + 7] for at in range(0, len(BODY), 7)]
    status, raw = asyncio.run(asked(app, pieces))
    assert status == 200, raw
    assert json.loads(raw)["outputs"][0]["data"] == FOREST.predict(X[:1]).tolist()


def test_a_body_that_breaks_off_and_one_that_never_comes(folder):
    app = application(folder, seconds=0.2)

    async def never():
        return await asked(app, [BODY[:9], BODY[9:]], gate=asyncio.Event())

    assert asyncio.run(asked(app, [BODY[:9], None]))[0] == 400
    assert asyncio.run(never())[0] == 408


def test_a_body_over_the_bound_that_says_nothing_of_its_length(folder):
    app = application(folder, body_bytes=100)
    assert asyncio.run(asked(app, [b"a" * 60, b"a" * 60]))[0] == 413
    assert asyncio.run(asked(app, [b"{}"], headers=[(b"content-length", b"101")]))[0] == 413
    assert asyncio.run(asked(app, [b"{}"], headers=[(b"content-length", b"\xb2")]))[0] == 413


def test_what_all_requests_hold_has_a_bound(folder):
    app = application(folder, held_bytes=100)

    async def both():
        gate = asyncio.Event()
        first = asyncio.create_task(asked(app, [BODY[:60], BODY[60:]], gate=gate))
        await asyncio.sleep(0)
        assert (await asked(app, [BODY[:60], BODY[60:]]))[0] == 503
        gate.set()
        status, _ = await first
        return status, (await asked(app, [BODY]))[0]

    assert asyncio.run(both()) == (200, 200)


@pytest.mark.parametrize("status", [200, 403])
def test_middleware_that_is_added_sees_predictions(folder, status):
    app = application(folder)

    class Gate:
        def __init__(self, app):
            self.app = app

        async def __call__(self, scope, receive, send):
            if status == 200:
                await self.app(scope, receive, send)
                return
            await send({"type": "http.response.start", "status": 403, "headers": []})
            await send({"type": "http.response.body", "body": b""})

    app.add_middleware(Gate)
    assert asyncio.run(asked(app, [BODY]))[0] == status
