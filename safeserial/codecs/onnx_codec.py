# SPDX-License-Identifier: BSD-3-Clause
"""The ONNX codec: a model's bytes as they are, and an inference session over them.

Floor 5.  ONNX Runtime is imported when a session is made.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from safeserial import engine
from safeserial.codecs.boosters import Boosters
from safeserial.codecs.compression import Compression
from safeserial.codecs.protocol import Encoded
from safeserial.errors import (
    InvalidStateError,
    LimitExceededError,
    MissingExtraError,
    PolicyError,
    UnsupportedModelError,
)
from safeserial.foreign import FOREIGN
from safeserial.verifier import Admitted

_ERRORS_ONLY = 3


class OnnxCodec:
    """ONNX models; they are loaded as ``onnxruntime.InferenceSession``.

    Parameters
    ----------
    signed : bool, default=False
        Whether a signature vouches for the model.  In one without, no part of the graph is computed
        before it is run: a few bytes can say that a constant of terabytes is to be made.
    """

    name = "onnx"

    def __init__(self, *, signed: bool = False) -> None:
        self._signed = signed

    def encode(self, model: Any, compression: Compression) -> Encoded:
        """Return the payload of an ONNX model.

        Raises
        ------
        UnsupportedModelError
            If it is neither an ``onnx.ModelProto`` nor bytes.
        PolicyError
            If a compression is asked for.
        """
        if compression is not None:
            raise PolicyError("ONNX payloads are not compressed", hint="leave compression out")
        if hasattr(model, "SerializeToString"):
            model = model.SerializeToString()
        if not isinstance(model, bytes | bytearray | memoryview):
            raise UnsupportedModelError(
                f"a {type(model).__name__} is no ONNX model",
                hint="convert it: safeserial.to_onnx(model, sample, path, keyring=ring)",
            )
        return Encoded({}, {FOREIGN[self.name]: (memoryview(model).cast("B"),)})

    def decode(self, admitted: Admitted, boosters: Boosters | None = None) -> Any:
        """Return an inference session on the CPU, without custom operators."""
        del boosters
        try:
            onnxruntime = engine.runtime()
        except ImportError:
            raise MissingExtraError("onnx", "running an ONNX model") from None
        options = onnxruntime.SessionOptions()
        options.log_severity_level = _ERRORS_ONLY
        options.enable_profiling = False
        options.add_session_config_entry("session.load_model_format", "ONNX")
        held_back = [] if self._signed else ["ConstantFolding"]
        try:
            return onnxruntime.InferenceSession(
                bytes(admitted.stream),
                sess_options=options,
                providers=["CPUExecutionProvider"],
                disabled_optimizers=held_back,
            )
        except MemoryError:
            raise LimitExceededError("there is not enough memory for this model") from None
        except Exception as error:  # noqa: BLE001 - of the runtime's many classes
            raise InvalidStateError(
                f"ONNX Runtime does not accept this model ({type(error).__name__}: {error})"[:400],
                hint="it may need a later ONNX Runtime; see `safeserial inspect`",
            ) from None

    def export(self, model: Any, members: Mapping[str, memoryview]) -> tuple[str, bytes]:
        """Return the ONNX file as it is in the payload."""
        del model
        return ".onnx", bytes(members[FOREIGN[self.name]])
