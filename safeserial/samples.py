# SPDX-License-Identifier: BSD-3-Clause
"""Rows that a model takes, read from a file or made at random: what a conversion is proved with.

Floor 7.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

from safeserial.errors import ConversionError, MissingExtraError, MissingFileError
from safeserial.files import display

_ROWS: Final = 200


def rows_for(model: Any, path: str | None) -> Any:
    """Return the rows of a file as a model takes them, or random ones.

    Parameters
    ----------
    model : object
        A fitted estimator.
    path : str, optional
        A ``.csv``, ``.parquet`` or ``.npy`` file, or ``.txt`` with a text a line.

    Raises
    ------
    ConversionError
        If the file is no sample or does not fit the model, or there is none and the model's
        columns cannot be guessed.
    MissingFileError
        If there is no such file.
    MissingExtraError
        If what reads it is not installed.
    """
    if path is None:
        return _random(model)
    reader = _READERS.get(Path(path).suffix.lower())
    if reader is None:
        known = ", ".join(_READERS)
        raise ConversionError(
            f"{display(path)} is no sample", hint=f"the endings of samples are {known}"
        )
    if not Path(path).is_file():
        raise MissingFileError(f"there is no file {display(path)}", hint="check the path")
    with _telling(path):
        rows = reader(path)
    return _fitting(model, rows) if hasattr(rows, "columns") else rows


def _random(model: Any) -> Any:
    count = getattr(model, "n_features_in_", None)
    if not isinstance(count, int) or getattr(model, "feature_names_in_", None) is not None:
        raise ConversionError(
            "the columns of this model cannot be guessed", hint="give rows of it: --sample FILE"
        )
    import numpy as np

    return np.random.default_rng(0).normal(size=(_ROWS, count))


def _fitting(model: Any, frame: Any) -> Any:
    """Return those columns of a frame that the model was fitted on, or the bare rows."""
    names = getattr(model, "feature_names_in_", None)
    if names is None:
        if frame.shape[1] == 1 and frame.dtypes.iloc[0].kind not in "biuf":
            return [str(one) for one in frame.iloc[:, 0].fillna("")]
        count = getattr(model, "n_features_in_", frame.shape[1])
        if frame.shape[1] != count:
            raise ConversionError(
                f"the sample has {frame.shape[1]} columns, the model {count}",
                hint="leave out the target and other columns that the model did not see",
            )
        return frame.to_numpy()
    missing = [str(name) for name in names if name not in frame.columns]
    if missing:
        raise ConversionError(
            f"the sample has no column {missing[0]!r}", hint="name the columns as in the fit"
        )
    return frame[list(names)]


@contextlib.contextmanager
def _telling(path: str) -> Iterator[None]:
    try:
        yield
    except ImportError as error:
        raise MissingExtraError("onnx", "reading this sample (pandas, pyarrow)") from error
    except OSError:
        raise
    except Exception as error:
        first = (str(error).splitlines() or [type(error).__name__])[0]
        raise ConversionError(
            f"{display(path)} cannot be read as a sample: {first}", hint="check that it is a table"
        ) from error


def _csv(path: str) -> Any:
    import pandas as pd

    return pd.read_csv(path)


def _parquet(path: str) -> Any:
    import pandas as pd

    return pd.read_parquet(path)


def _npy(path: str) -> Any:
    import numpy as np

    return np.load(path, allow_pickle=False)


def _lines(path: str) -> Any:
    return Path(path).read_text("utf-8").splitlines()


_READERS: Final[dict[str, Callable[[str], Any]]] = {
    ".csv": _csv,
    ".parquet": _parquet,
    ".npy": _npy,
    ".txt": _lines,
}
