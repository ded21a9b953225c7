# SPDX-License-Identifier: BSD-3-Clause
"""The servers that :mod:`safeserial_benchmarks.serving_load` puts under load, with equal models.

Each is a process of its own on a free port of this machine.  MLflow is heavy, and holds other
libraries back: it lives in an environment of its own in the user's cache, with the scikit-learn of
this one, and is left out where that has not been made (``--install``).
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
import platformdirs
import psutil

import safeserial as ss
from safeserial_benchmarks.onnx_subjects import subjects
from safeserial_benchmarks.serving_bare import OUTPUT

MODELS: Final = {"pipeline": "scaler, logistic", "forest": "forest of 100"}
OURS, OURS_PYTHON = "safeserial, ONNX", "safeserial, verified Python model"
BARE, MLFLOW = "bare ASGI app", "MLflow"
MLFLOW_PACKAGES: Final = ("mlflow>=3,<4",)
_ALIKE: Final = ("numpy", "scipy", "scikit-learn", "joblib")
_PATIENCE: Final = 180.0
_SAVE: Final = """
import sys, joblib, mlflow.sklearn
for name in sys.argv[2:]:
    model = joblib.load(f"{sys.argv[1]}/{name}.joblib")
    path = f"{sys.argv[1]}/mlflow-{name}"
    mlflow.sklearn.save_model(model, path, pyfunc_predict_fn="predict_proba",
                              serialization_format="cloudpickle")
"""


@dataclass
class Target:
    """A server that runs, and how it is asked.

    Parameters
    ----------
    title : str
        For the table.
    urls : dict of str to str
        Where each model is asked.
    process : psutil.Process
        Of the server; its children count.
    """

    title: str
    urls: dict[str, str]
    process: psutil.Process
    _known: dict[int, float] = field(default_factory=dict)

    def body(self, rows: Any) -> bytes:
        """Return a request in the server's own form."""
        if self.title == BARE:
            return json.dumps({"rows": rows.tolist()}).encode()
        if self.title == MLFLOW:
            return json.dumps({"inputs": rows.tolist()}).encode()
        tensor = {
            "name": "X",
            "shape": list(rows.shape),
            "datatype": "FP32",
            "data": rows.ravel().tolist(),
        }
        return json.dumps({"inputs": [tensor], "outputs": [{"name": OUTPUT}]}).encode()

    def answer(self, raw: bytes) -> Any:
        """Return the probabilities of an answer."""
        found = json.loads(raw)
        if self.title == BARE:
            return np.array(found["rows"])
        if self.title == MLFLOW:
            return np.array(found["predictions"])
        (output,) = found["outputs"]
        return np.reshape(output["data"], output["shape"])

    def ask(self, model: str, rows: Any) -> Any:
        """Return the server's probabilities for some rows."""
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(self.urls[model], self.body(rows), headers)  # noqa: S310
        with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310 - our own server
            return self.answer(answer.read())

    def usage(self) -> tuple[float, int]:
        """Return processor time so far and bytes of memory now, of all its processes."""
        memory = 0
        for one in (self.process, *self.process.children(recursive=True)):
            with contextlib.suppress(psutil.NoSuchProcess):
                times = one.cpu_times()
                self._known[one.pid] = times.user + times.system
                memory += one.memory_info().rss
        return sum(self._known.values()), memory


def make_models(folder: Path) -> dict[str, Any]:
    """Write every model in the forms that the servers take; return rows to ask them about."""
    makers = subjects()
    ring = ss.Keyring([ss.HmacKey.generate()])
    ring.save(folder / "ring.keys")
    rows = {}
    for name, title in MODELS.items():
        import joblib

        subject = makers[title]()
        result = ss.to_onnx(
            subject.model, subject.sample, folder / f"{name}.safeserial", keyring=ring, name=name
        )
        (folder / f"{name}.onnx").write_bytes(result.data)
        ss.dump(subject.model, folder / f"{name}-python.safeserial", keyring=ring)
        joblib.dump(subject.model, folder / f"{name}.joblib")
        rows[name] = subject.rows[:1000]
        np.save(folder / f"{name}.npy", rows[name])
        np.save(folder / f"{name}.expected.npy", subject.model.predict_proba(rows[name]))
    return rows


def mlflow_python() -> Path:
    """Return where the interpreter of MLflow's environment is, or would be."""
    place = platformdirs.user_cache_path("safeserial-benchmarks") / "mlflow"
    return place / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def install_mlflow() -> None:
    """Make MLflow's environment."""
    python = mlflow_python()
    alike = [f"{name}=={importlib.metadata.version(name)}" for name in _ALIKE]
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(python.parents[1])], check=True)
    order = [str(python), "-m", "pip", "install", "--quiet", *MLFLOW_PACKAGES, *alike]
    subprocess.run(order, check=True)


@contextlib.contextmanager
def running(folder: Path) -> Iterator[list[Target]]:
    """Start every server that is there; end them all afterwards."""
    with contextlib.ExitStack() as stack:
        targets = [_ours(stack, folder, python=False), _ours(stack, folder, python=True)]
        targets.append(_bare(stack, folder))
        if mlflow_python().exists():
            targets += _mlflow(stack, folder)
        for one in targets:
            for name in one.urls:
                _check(one, name, folder)
        yield targets


def _ours(stack: contextlib.ExitStack, folder: Path, *, python: bool) -> Target:
    files = [f"{name}={name}{'-python' * python}.safeserial" for name in MODELS]
    order = [sys.executable, "-m", "safeserial", "serve", *files, "--port", "0"]
    process = _start(stack, [*order, "--keyring", "ring.keys"], folder)
    url = _line(process)
    urls = {name: f"{url}/v2/models/{name}/infer" for name in MODELS}
    return Target(OURS_PYTHON if python else OURS, urls, psutil.Process(process.pid))


def _bare(stack: contextlib.ExitStack, folder: Path) -> Target:
    order = [sys.executable, "-m", "safeserial_benchmarks.serving_bare", str(folder)]
    process = _start(stack, order, folder)
    port = _line(process)
    urls = {name: f"http://127.0.0.1:{port}/{name}" for name in MODELS}
    return Target(BARE, urls, psutil.Process(process.pid))


def _mlflow(stack: contextlib.ExitStack, folder: Path) -> list[Target]:
    """Return MLflow's servers: it takes one a model."""
    python = mlflow_python()
    order = [str(python), "-c", _SAVE, str(folder), *MODELS]
    subprocess.run(order, check=True, capture_output=True, cwd=folder)
    made = []
    for name in MODELS:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        command = str(python.with_name("mlflow"))
        order = [command, "models", "serve", "-m", f"mlflow-{name}", "--env-manager", "local"]
        process = _start(
            stack, [*order, "-h", "127.0.0.1", "-p", str(port)], folder, says_where=False
        )
        urls = {name: f"http://127.0.0.1:{port}/invocations"}
        _wait(f"http://127.0.0.1:{port}/ping", process)
        made.append(Target(MLFLOW, urls, psutil.Process(process.pid)))
    return made


def _start(
    stack: contextlib.ExitStack, order: list[str], folder: Path, *, says_where: bool = True
) -> subprocess.Popen[str]:
    path = str(Path(order[0]).parent)
    environment = {**os.environ, "PATH": f"{path}{os.pathsep}{os.environ.get('PATH', '')}"}
    environment |= {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "1"}
    log = stack.enter_context((folder / f"log-{time.monotonic_ns()}.txt").open("wb"))
    # Who writes more than a line would block on a pipe that nobody reads.
    out = subprocess.PIPE if says_where else log
    process = subprocess.Popen(
        order, cwd=folder, stdout=out, stderr=log, env=environment, text=True
    )
    stack.callback(_end, process)
    return process


def _end(process: subprocess.Popen[str]) -> None:
    family = []
    with contextlib.suppress(psutil.NoSuchProcess):
        family = psutil.Process(process.pid).children(recursive=True)
    process.terminate()
    for one in family:
        with contextlib.suppress(psutil.NoSuchProcess):
            one.terminate()
    try:
        process.communicate(timeout=60)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()


def _line(process: subprocess.Popen[str]) -> str:
    line = process.stdout.readline().strip() if process.stdout is not None else ""
    if not line:
        raise RuntimeError(f"{' '.join(map(str, process.args))[:200]} did not start")  # type: ignore[arg-type]
    return line


def _wait(url: str, process: subprocess.Popen[str]) -> None:
    end = time.monotonic() + _PATIENCE
    while process.poll() is None and time.monotonic() < end:
        try:
            urllib.request.urlopen(url, timeout=5).close()  # noqa: S310 - our own server
        except (urllib.error.URLError, OSError):
            time.sleep(0.5)
        else:
            return
    raise RuntimeError(f"nothing answers at {url}")


def _check(one: Target, name: str, folder: Path) -> None:
    """See that a server answers with scikit-learn's own probabilities."""
    rows, expected = (np.load(folder / f"{name}{end}.npy")[:50] for end in ("", ".expected"))
    worst = float(np.abs(one.ask(name, rows) - expected).max())
    if not worst < 1e-5:  # noqa: PLR2004 - JSON of float32
        raise RuntimeError(f"{one.title}: {name} is wrong by {worst}")
