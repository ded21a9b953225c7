# SPDX-License-Identifier: BSD-3-Clause
"""What Prometheus is told: requests, time, rows, queues; never a value of anybody's data.

Floor 7.  Each application has a registry of its own.
"""

from __future__ import annotations

from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from safeserial.serving.repository import Served

_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_ROWS = (1, 2, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 10000)


class Metrics:
    """The counters of one server."""

    def __init__(self) -> None:
        own = self.registry = CollectorRegistry()
        # Looking a label up takes longer than counting.
        self._known: dict[tuple[str, int], tuple[Counter, Histogram]] = {}
        self._runs: dict[str, Histogram] = {}
        self.requests = Counter(
            "safeserial_requests", "Requests answered.", ["model", "status"], registry=own
        )
        self.seconds = Histogram(
            "safeserial_request_seconds",
            "Time from request to answer.",
            ["model"],
            buckets=_SECONDS,
            registry=own,
        )
        self.rows = Histogram(
            "safeserial_run_rows", "Rows of a run.", ["model"], buckets=_ROWS, registry=own
        )
        self.joined = Counter(
            "safeserial_joined_requests",
            "Requests that were run together with others.",
            ["model"],
            registry=own,
        )
        self.waiting = Gauge(
            "safeserial_waiting_requests", "Requests in the queue.", ["model"], registry=own
        )
        self.models = Gauge(
            "safeserial_model_info",
            "What is offered.",
            ["model", "version", "artifact_id"],
            registry=own,
        )

    def answered(self, model: str, status: int, seconds: float) -> None:
        """Count a request."""
        known = self._known.get((model, status))
        if known is None:
            labelled = self.requests.labels(model, str(status)), self.seconds.labels(model)
            known = self._known[model, status] = labelled
        known[0].inc()
        known[1].observe(seconds)

    def ran(self, model: str, rows: int, requests: int) -> None:
        """Count a run."""
        known = self._runs.get(model)
        if known is None:
            known = self._runs[model] = self.rows.labels(model)
        known.observe(rows)
        if requests > 1:
            self.joined.labels(model).inc(requests)

    def text(self, served: Iterable[Served]) -> bytes:
        """Return all figures in Prometheus' format."""
        self.models.clear()
        for one in served:
            self.waiting.labels(one.name).set(one.batcher.waiting)
            self.models.labels(one.name, one.version, one.artifact_id).set(1)
        return generate_latest(self.registry)
