# SPDX-License-Identifier: BSD-3-Clause
"""Backends that are other people's clusters: Dask and Ray, by the address of a scheduler.

Floor 7.  Whoever speaks to a scheduler may run code on its workers, and they answer in pickles: a
cluster is trusted with this machine.  With ``tls://`` Dask's own configuration says which
certificates are.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from typing import Any

from safeserial.errors import MissingExtraError, SafeSerialError
from safeserial.files import display


@contextlib.contextmanager
def dask_backend(address: str, patience: int) -> Iterator[Any]:
    """Connect to a Dask scheduler; give a backend of joblib.

    Parameters
    ----------
    address : str
        Such as ``tcp://host:8786``.
    patience : int
        Seconds to wait for it, and for a first worker.

    Raises
    ------
    MissingExtraError
        If Dask is not installed.
    SafeSerialError
        If there is no such scheduler, or it has no worker.
    """
    try:
        from distributed import Client
    except ImportError:
        raise MissingExtraError("dask", "the backend dask") from None
    try:
        client: Any = Client(address, timeout=patience, set_as_default=False)  # type: ignore[no-untyped-call]
    except (OSError, ValueError, RuntimeError) as error:
        raise SafeSerialError(
            f"there is no Dask scheduler at {display(address)}: {error}",
            hint="start one with `dask scheduler`, and workers with `dask worker ADDRESS`",
        ) from None
    with client:
        try:
            client.wait_for_workers(1, timeout=patience)
        except TimeoutError:
            raise SafeSerialError(
                f"the Dask scheduler at {display(address)} has no worker",
                hint=f"start one with: dask worker {display(address)}",
            ) from None
        with _quietly("distributed.client"):
            yield _telling(client)


@contextlib.contextmanager
def _quietly(name: str) -> Iterator[None]:
    """Hear only errors of a logger: what became of a lost worker's files is told by their rows."""
    logger = logging.getLogger(name)
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)


def _telling(client: Any) -> Any:
    """Return joblib's Dask backend, made to tell of tasks that never came back.

    joblib 1.6 registers the error of such a task (its worker was killed, the scheduler has gone)
    and calls nobody, so that :class:`joblib.Parallel` waits for ever.  And where a cluster has one
    thread (left), it does the work in this process, which a hostile file may end.
    """
    from joblib._dask import DaskDistributedBackend

    class Telling(DaskDistributedBackend):  # type: ignore[misc]
        def effective_n_jobs(self, n_jobs: int) -> int:
            return max(2, int(super().effective_n_jobs(n_jobs)))

        def submit(self, func: Any, callback: Callable[[Any], None] | None = None) -> Any:
            future = super().submit(func, callback)

            def lost(done: Future[Any]) -> None:
                if callback is not None and done.exception() is not None:
                    callback(done.exception())

            future.add_done_callback(lost)
            return future

        def abort_everything(self, ensure_ready: bool = True) -> None:  # noqa: FBT001, FBT002
            super().abort_everything(ensure_ready)
            with contextlib.suppress(Exception):  # the cluster may be what has failed
                client.cancel(list(self._results), asynchronous=False, force=True)

        def retrieve_result_callback(self, out: Any) -> Any:
            if isinstance(out, BaseException):
                raise out
            return super().retrieve_result_callback(out)

    return Telling(client=client)


@contextlib.contextmanager
def ray_backend(address: str) -> Iterator[str]:
    """Connect to a Ray cluster; give the name of joblib's backend for it.

    Parameters
    ----------
    address : str
        Such as ``ray://host:10001``, ``host:6379``, or ``auto`` for the one of this machine.

    Raises
    ------
    MissingExtraError
        If Ray is not installed.
    SafeSerialError
        If there is no such cluster.
    """
    try:
        import ray
        from ray.util.joblib import register_ray
    except ImportError:
        raise MissingExtraError("ray", "the backend ray") from None
    try:
        ray.init(address=address, log_to_driver=False, configure_logging=False)
    except (OSError, RuntimeError, ValueError) as error:
        raise SafeSerialError(
            f"there is no Ray cluster at {display(address)}: {error}",
            hint="start one with: ray start --head",
        ) from None
    try:
        register_ray()
        yield "ray"
    finally:
        ray.shutdown()
