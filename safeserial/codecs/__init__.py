# SPDX-License-Identifier: BSD-3-Clause
"""Codecs: model to bytes and back; the only part of the project that imports pickle or joblib.

Floor 5.  A codec decodes nothing but :class:`~safeserial.verifier.Admitted`.
"""

from __future__ import annotations

from safeserial.codecs.compression import Compression as Compression
from safeserial.codecs.protocol import Codec as Codec
from safeserial.codecs.protocol import Encoded as Encoded
from safeserial.errors import UnsupportedVersionError


def get(name: str, *, signed: bool = False) -> Codec:
    """Return the codec of a payload format.

    Parameters
    ----------
    name : str
        Of the format.
    signed : bool, default=False
        Whether a signature vouches for what is decoded.

    Raises
    ------
    UnsupportedVersionError
        If there is none of that name.
    """
    if name == "pickle":
        from safeserial.codecs.pickle_codec import PickleCodec

        return PickleCodec()
    if name == "joblib":
        from safeserial.codecs.joblib_codec import JoblibCodec

        return JoblibCodec()
    if name == "skops":
        from safeserial.codecs.skops_codec import SkopsCodec

        return SkopsCodec()
    if name == "onnx":
        from safeserial.codecs.onnx_codec import OnnxCodec

        return OnnxCodec(signed=signed)
    raise UnsupportedVersionError(
        f"no codec for the format {name[:40]!r}",
        hint="this version has: pickle, joblib, skops, onnx",
    )
