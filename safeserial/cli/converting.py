# SPDX-License-Identifier: BSD-3-Clause
"""``safeserial convert``: a model as an ONNX graph or a skops file, proved equal to the original.

Floor 8.  The converters stand beside the core and are found by entry point.  A model goes through
the same checks as with every other command before it is converted.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import click

import safeserial as ss
from safeserial.cli import options, render
from safeserial.cli.outcome import Misuse
from safeserial.errors import ConversionError, MissingExtraError, MissingFileError
from safeserial.files import display

_ROWS: Final = 200
_TARGETS: Final = ("onnx", "skops")


@click.command(short_help="Write a model as ONNX, proved equal to the original.")
@click.argument("model_file", metavar="MODEL", type=click.Path())
@click.option("--to", "target", type=click.Choice(_TARGETS), required=True, help="Format to write.")
@click.option("-o", "--output", required=True, metavar="OUT", help="File to write.")
@click.option(
    "--sample",
    metavar="FILE",
    help="Rows that the model takes: .csv, .parquet, .npy, or .txt with a text a line.  They say "
    "what the inputs are, and the proof is made with them.",
)
@click.option("--dtype", type=click.Choice(["float32", "float64"]), help="Of numbers in and out.")
@click.option("--method", "methods", multiple=True, help="What to reproduce; may be repeated.")
@click.option(
    "--profile",
    type=click.Choice(["exact", "fast"]),
    default="exact",
    show_default=True,
    help="Compute in double, or in float32.",
)
@options.keyring
@options.policy
@options.trust
@options.as_json
def convert(
    *,
    model_file: str,
    target: str,
    output: str,
    sample: str | None,
    dtype: str | None,
    methods: tuple[str, ...],
    profile: str,
    place: str | None,
    policy_file: str | None,
    trusted: tuple[str, ...],
    as_json: bool,
) -> None:
    """Write MODEL in another format.

    MODEL is a signed artifact (.safeserial), which is verified, or a .pkl or .joblib file, which
    goes through the opcode verifier and the allowlist.  The ONNX graph is run against it on the
    sample and on rows made from it; where they differ, nothing is written.
    """
    model = _opened(model_file, place, policy_file, trusted)
    if target == "skops":
        _to_skops(model, output)
        return
    rows = _sample(model, sample)
    result = ss.to_onnx(model, rows, output, dtype=dtype, methods=methods or None, profile=profile)
    if as_json:
        render.document(result.to_dict())
        return
    for one in result.report.methods:
        click.echo(
            f"{one.method}: {one.rows} rows, {one.label_mismatches} labels differ, "
            f"largest relative difference {one.max_rel:.2g}"
        )
    size = render.bytes_text(len(result.data))
    name = type(model).__name__
    render.talk(render.printable(f"wrote {name} ({size}) to {display(output)}, proved"))
    if sample is None:
        render.talk("the proof used random rows; --sample FILE makes it with yours")


def _to_skops(model: Any, output: str) -> None:
    ss.to_skops(model, output)
    render.talk(render.printable(f"wrote {type(model).__name__} to {display(output)}"))


def _opened(path: str, place: str | None, policy_file: str | None, trusted: tuple[str, ...]) -> Any:
    from safeserial.artifact import loading

    policy = options.read_policy(policy_file, trusted)
    if path.lower().endswith(".safeserial"):
        return loading.load(path, keyring=options.open_ring(place), policy=policy)
    return loading.load_unsigned(path, policy=policy)


def _sample(model: Any, path: str | None) -> Any:
    """Return the rows of a file as the model takes them, or random ones."""
    if path is None:
        return _random(model)
    reader = _READERS.get(Path(path).suffix.lower())
    if reader is None:
        known = ", ".join(_READERS)
        raise Misuse(f"{display(path)} is no sample", hint=f"the endings of samples are {known}")
    if not Path(path).is_file():
        raise MissingFileError(f"there is no file {display(path)}", hint="check the path")
    with _telling(path):
        rows = reader(path)
    return _fitting(model, rows) if hasattr(rows, "columns") else rows


def _random(model: Any) -> Any:
    count = getattr(model, "n_features_in_", None)
    if not isinstance(count, int) or getattr(model, "feature_names_in_", None) is not None:
        raise Misuse(
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
