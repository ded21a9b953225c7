# SPDX-License-Identifier: BSD-3-Clause
"""What a conversion hands back: the file's bytes, its contract, and the proof.

Floor 7, beside the command line.  Imports no ONNX.
"""

from __future__ import annotations

import html
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from safeserial_converters.contract import Contract
from safeserial_converters.parity import ParityReport


@dataclass(frozen=True)
class ConversionResult:
    """A model in another format, proved equal to the original.

    Parameters
    ----------
    data : bytes
        The converted model, as a file holds it.
    contract : Contract
        Inputs of the graph.
    outputs : tuple of str
        Its outputs, in order.
    report : ParityReport
        The proof.
    engine : str
        ``"safeserial"``, or ``"safeserial+skl2onnx"`` where a part came from the fallback.
    seconds : float
        What building the graph took, without the proof.
    path : Path or None
        Where it was written.
    metadata : dict
        The properties in the file.
    """

    data: bytes = field(repr=False)
    contract: Contract
    outputs: tuple[str, ...]
    report: ParityReport
    engine: str
    seconds: float
    path: Path | None = None
    metadata: dict[str, str] = field(default_factory=dict, repr=False)

    @property
    def profile(self) -> str:
        """``"exact"``, or ``"fast"``: computed in float32, and proved to 1e-3 only."""
        return self.report.profile

    def session(self, threads: int = 1) -> Any:
        """Return an ONNX Runtime session over the model."""
        from safeserial_converters.proof import session

        return session(self.data, threads)

    def feed(self, rows: Any) -> dict[str, Any]:
        """Return rows of the model's own kind as the session's inputs."""
        return self.contract.feed(rows)

    def run(self, rows: Any, threads: int = 1) -> dict[str, Any]:
        """Run the graph on rows of the model's own kind; an array an output."""
        found = self.session(threads).run(list(self.outputs), self.feed(rows))
        return dict(zip(self.outputs, found, strict=True))

    def to_dict(self) -> dict[str, Any]:
        """Return everything but the bytes as plain data."""
        return {
            "contract": self.contract.to_dict(),
            "outputs": list(self.outputs),
            "report": self.report.to_dict(),
            "engine": self.engine,
            "profile": self.profile,
            "seconds": self.seconds,
            "size": len(self.data),
            "path": None if self.path is None else str(self.path),
        }

    def _repr_html_(self) -> str:
        where = html.escape(str(self.path)) if self.path else f"{len(self.data):,} bytes"
        return f"<p>ONNX: {where}</p>{self.report._repr_html_()}"
