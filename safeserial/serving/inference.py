# SPDX-License-Identifier: BSD-3-Clause
"""The endpoint that predicts: a bounded body, a request held to the model, its answer.

Floor 7.
"""

from __future__ import annotations

import asyncio
from typing import Final

from safeserial.serving import requests
from safeserial.serving.batching import BusyError
from safeserial.serving.desk import Desk
from safeserial.serving.replies import JSON, OK, Asked, Refused, Reply
from safeserial.serving.repository import Served
from safeserial.serving.tensors import BadRequestError

_BINARY: Final = b"application/octet-stream"
_CLOSE: Final = ((b"connection", b"close"),)
_DIGITS: Final = 20


def served(desk: Desk, asked: Asked) -> Served:
    """Return the model that a path names.

    Raises
    ------
    Refused
        If there is none, or not of this version: 404.
    """
    found = desk.repository.find(asked.params["model"], asked.params.get("version"))
    if found is None:
        raise Refused(404, "there is no such model, or not of this version")
    return found


class Inference:
    """Predictions of all models.

    Parameters
    ----------
    desk : Desk
        With the repository and the bounds.
    """

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._settings = desk.settings
        self._held = 0

    async def infer(self, asked: Asked) -> Reply:
        """Answer an inference request.

        Raises
        ------
        Refused
            With the status that says why.
        BadRequestError
            If it is no request of the protocol, or not for this model.
        BusyError
            If too many wait, or too much is held already.
        """
        one = served(self._desk, asked)
        if asked.headers.get(b"content-encoding", b"identity") != b"identity":
            raise Refused(415, "compressed requests are not offered")
        pieces: list[bytes] = []
        arrived = False
        try:
            async with asyncio.timeout(self._settings.seconds):
                await self._read(asked, pieces)
                arrived = True
                body = pieces[0] if len(pieces) == 1 else b"".join(pieces)
                return await self._predict(one, asked, body)
        except TimeoutError:
            if arrived:
                raise Refused(504, "the model took too long") from None
            raise Refused(408, "the request took too long to arrive", _CLOSE) from None
        finally:
            self._held -= sum(map(len, pieces))

    async def _read(self, asked: Asked, pieces: list[bytes]) -> None:
        limit = self._settings.body_bytes
        declared = asked.headers.get(b"content-length", b"0")
        size = int(declared) if declared.isdigit() and len(declared) <= _DIGITS else limit + 1
        too_large = Refused(413, f"a request has at most {limit} bytes")
        if size > limit:
            raise too_large
        size, more = 0, True
        while more:
            if self._held > self._settings.held_bytes:
                raise BusyError
            message = await asked.receive()
            if message["type"] != "http.request":
                raise Refused(400, "the client went away")
            more = message.get("more_body", False)
            piece = message.get("body", b"")
            size += len(piece)
            if size > limit:
                raise too_large
            pieces.append(piece)
            self._held += len(piece)

    async def _predict(self, one: Served, asked: Asked, body: bytes) -> Reply:
        length = asked.headers.get(requests.HEADER_LENGTH)
        request = requests.parse(body, None if length is None else length.decode("latin-1"))
        wanted = tuple(request.outputs or ())
        try:
            outputs = await one.batcher.ask(request.inputs, wanted, len(body))
        except (BadRequestError, BusyError, TimeoutError):
            raise
        except MemoryError:
            raise Refused(413, "there is not enough memory for this request") from None
        except Exception as error:  # noqa: BLE001 - what a model says of values it does not take
            # Its class; its text may hold a value of the client's data.
            said = type(error).__name__
            raise Refused(400, f"the model refuses these inputs ({said})") from None
        raw, head = requests.respond(request, one.name, one.version, outputs)
        if head is None:
            return Reply(OK, raw, JSON)
        return Reply(OK, raw, _BINARY, ((requests.HEADER_LENGTH, b"%d" % head),))
