# SPDX-License-Identifier: BSD-3-Clause
"""The least that can serve a model: JSON in, ONNX Runtime, JSON out, and no check of anything.

What :mod:`safeserial_benchmarks.serving_load` measures a server against.  ``python -m
safeserial_benchmarks.serving_bare FOLDER`` serves every ``NAME.onnx`` of a folder at ``/NAME`` and
prints its port; ``... FOLDER NAME ROWS SECONDS`` runs a model in a loop instead, without a network.
"""

from __future__ import annotations

import json
import math
import socket
import sys
import time
from pathlib import Path
from typing import Any, Final

import numpy as np

OUTPUT: Final = "predict_proba"
_LOOP: Final = 5


def session(path: Path) -> Any:
    """Return the model, run by ONNX Runtime as it comes."""
    import onnxruntime

    return onnxruntime.InferenceSession(path.read_bytes(), providers=["CPUExecutionProvider"])


def app(folder: Path) -> Any:
    """Return the ASGI application."""
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import JSONResponse
    from starlette.routing import Route

    sessions = {path.stem: session(path) for path in folder.glob("*.onnx")}

    async def infer(request: Request) -> JSONResponse:
        model = sessions[request.path_params["model"]]
        rows = np.array((await request.json())["rows"], np.float32)
        (found,) = model.run([OUTPUT], {"X": rows})
        return JSONResponse({"rows": found.tolist()})

    return Starlette(routes=[Route("/{model}", infer, methods=["POST"])])


def serve(folder: Path) -> None:
    """Serve a folder on a free port of this machine until ended."""
    import uvicorn

    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    made = app(folder)
    print(listening.getsockname()[1], flush=True)
    config = uvicorn.Config(made, log_level="warning", access_log=False)
    uvicorn.Server(config).run(sockets=[listening])


def loop(path: Path, rows: Any, seconds: float) -> dict[str, float]:
    """Run a model again and again, on rows that are an array already.

    Returns
    -------
    dict
        ``rate`` (runs a second), ``p50`` and ``p99`` (seconds), ``cpu`` (seconds a run).
    """
    model = session(path)
    for _ in range(_LOOP):
        model.run([OUTPUT], {"X": rows})
    times: list[float] = []
    end, work = time.perf_counter() + seconds, time.process_time()
    begun = last = time.perf_counter()
    while last < end:
        model.run([OUTPUT], {"X": rows})
        now = time.perf_counter()
        times.append(now - last)
        last = now
    work = time.process_time() - work
    times.sort()
    count = len(times)
    return {
        "rate": count / (last - begun),
        "p50": times[count // 2],
        "p99": times[math.ceil(0.99 * count) - 1],
        "cpu": work / count,
    }


def main() -> None:
    """Serve, or loop."""
    folder = Path(sys.argv[1])
    if sys.argv[2:]:
        name, seconds = sys.argv[2], float(sys.argv[4])
        rows = np.load(folder / f"{name}.npy")[: int(sys.argv[3])]
        print(json.dumps(loop(folder / f"{name}.onnx", rows, seconds)))
    else:
        serve(folder)


if __name__ == "__main__":
    main()
