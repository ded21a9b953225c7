# SPDX-License-Identifier: BSD-3-Clause
"""What came of each file: rows, kept as JSON Lines or Parquet, and read again to go on.

Floor 7.  Rows are appended to a journal of JSON Lines as they come, so that whatever ends a run
keeps what is done; the last row of a path counts.  Parquet is written from the journal at the end.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, Final, Literal, Self, get_args

import msgspec

from safeserial.errors import FormatError, MissingExtraError, WriteFailedError
from safeserial.files import atomic_write, display, open_regular
from safeserial.inspection.neutral import without_secrets

Status = Literal["ok", "refused", "unknown"]
_LONGEST_LINE: Final = 4 * 2**20
_PARQUET: Final = ".parquet"
_JOURNAL: Final = ".rows.jsonl"


class Row(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What came of one file.

    Parameters
    ----------
    path : str
        The file, as it was named, or ``name:version`` of a store's entry.
    action : str
        ``inspect``, ``verify``, ``convert`` or ``sign``.
    status : {"ok", "refused", "unknown"}
        Done or trusted; refused; could not be told.
    job : str
        Names what was asked: options, policy, keys, version of safeserial.  Rows of another job
        are not taken for this one's.
    size, mtime_ns : int
        Of the file when it was listed.
    seconds : float
        Spent on it.
    worker : str
        Host and process that did.
    digest : str, optional
        BLAKE3 of the file and, after ``+``, of the ``.sig`` beside it, where that was asked for.
    error, message, hint : str, optional
        Class of the error, what happened, what to do.
    kind, verdict, signature, estimator : str, optional
        As in an inspection's report.
    untrusted, findings : list of str, optional
        Names that the policy does not list; rule and message of each finding.
    artifact_id, created, format, model, name, version : str, optional
        What the signed manifest says.
    signers : list of str, optional
        Key ids whose signatures count, or that a file claims.
    output : str, optional
        The file that was made.
    output_size : int, optional
        Its bytes.
    difference : float, optional
        Of a conversion: the largest relative difference in the proof.
    warnings : list of str, optional
        Told while the file was worked on.
    """

    path: str
    action: str
    status: Status
    job: str
    size: int = 0
    mtime_ns: int = 0
    seconds: float = 0.0
    worker: str = ""
    digest: str | None = None
    error: str | None = None
    message: str | None = None
    hint: str | None = None
    kind: str | None = None
    verdict: str | None = None
    signature: str | None = None
    estimator: str | None = None
    untrusted: list[str] | None = None
    findings: list[str] | None = None
    artifact_id: str | None = None
    created: str | None = None
    format: str | None = None
    model: str | None = None
    name: str | None = None
    version: str | None = None
    signers: list[str] | None = None
    output: str | None = None
    output_size: int | None = None
    difference: float | None = None
    warnings: list[str] | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the row as plain data, without what it does not say."""
        plain: dict[str, Any] = msgspec.to_builtins(self)
        return plain


def line(row: Row) -> str:
    """Return a row as one line of JSON, ASCII only."""
    return without_secrets(json.dumps(row.to_dict(), ensure_ascii=True))


class RowsFile:
    """Rows on disk: a ``.parquet`` file, or JSON Lines under any other name.

    Parameters
    ----------
    path : str
        Where they stand at the end.
    resume : bool
        Whether to go on with what is there.

    Raises
    ------
    WriteFailedError
        If there are rows already and they are not to be resumed, or another run writes there.
    MissingExtraError
        If Parquet is asked for and pyarrow is not installed.
    """

    def __init__(self, path: str, *, resume: bool) -> None:
        self.path = path
        self._parquet = path.lower().endswith(_PARQUET)
        if self._parquet:
            _pyarrow()
        self._journal = Path(path + _JOURNAL if self._parquet else path)
        if not resume and (self._journal.exists() or Path(path).exists()):
            raise WriteFailedError(
                f"there are rows already: {display(path)}",
                hint="--resume goes on with them; or name another file",
            )
        self.old: dict[str, Row] = {}
        self._superseded = False
        self._stream: BinaryIO | None = None

    def __enter__(self) -> Self:
        try:
            self._stream = self._journal.open("ab+")
        except (OSError, ValueError) as error:
            raise _failed(self.path, error) from None
        try:
            self._lock()
            if self._parquet and Path(self.path).exists():
                self.old = {row.path: row for row in _read_parquet(self.path)}
            for row in self._read_journal():
                self._superseded |= row.path in self.old
                self.old[row.path] = row
        except BaseException:
            self._stream.close()
            raise
        return self

    def add(self, row: Row) -> None:
        """Append a row; once this returns, a killed process does not lose it."""
        self._superseded |= row.path in self.old
        self.old[row.path] = row
        self._write(line(row))

    def __exit__(self, *_: object) -> None:
        stream, self._stream = self._stream, None
        if stream is None:
            return
        with stream:
            if self._parquet:
                _write_parquet(self.path, self.old)
                self._journal.unlink(missing_ok=True)
            elif self._superseded:
                with atomic_write(self.path) as fresh:
                    for row in self.old.values():
                        fresh.write(line(row).encode("ascii") + b"\n")

    def _write(self, text: str) -> None:
        stream = self._stream
        if stream is None:
            raise WriteFailedError(f"the rows are closed: {display(self.path)}")
        try:
            stream.write(text.encode("ascii") + b"\n")
            stream.flush()
        except OSError as error:
            raise _failed(self.path, error) from None

    def _lock(self) -> None:
        """Keep a second run away from the same rows, where the system can."""
        try:
            import fcntl
        except ImportError:
            return
        stream = self._stream
        if stream is None:
            return
        try:
            fcntl.flock(stream.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise WriteFailedError(
                f"another run writes these rows: {display(self.path)}",
                hint="wait for it to end, or name another file",
            ) from None
        except OSError:
            return  # a file system without locks

    def _read_journal(self) -> Iterator[Row]:
        """Yield the whole lines; the one that a killed writer left torn is cut off."""
        stream = self._stream
        if stream is None:
            return
        stream.seek(0)
        end = number = 0
        while text := stream.readline(_LONGEST_LINE):
            number += 1
            if not text.endswith(b"\n"):
                if len(text) == _LONGEST_LINE:
                    raise _no_row(self._journal, number)
                break
            end += len(text)
            yield _row(text, self._journal, number)
        stream.truncate(end)
        stream.seek(0, os.SEEK_END)


def _row(text: bytes, where: Path, number: int) -> Row:
    try:
        return msgspec.convert(json.loads(text), Row)
    except (ValueError, RecursionError, msgspec.ValidationError):
        raise _no_row(where, number) from None


def _no_row(where: Path, number: int) -> FormatError:
    return FormatError(
        f"line {number} of {display(where)} is no row of a bulk run",
        hint="name another file for the rows",
    )


def _failed(path: str, error: OSError | ValueError) -> WriteFailedError:
    reason = getattr(error, "strerror", None) or error
    return WriteFailedError(f"cannot write {display(path)}: {reason}")


# ------------------------------------------------------------------------------------ Parquet


def _pyarrow() -> Any:
    try:
        import pyarrow as pa
        import pyarrow.parquet
    except ImportError:
        raise MissingExtraError("parquet", "rows as Parquet (pyarrow)") from None
    return pa


def _schema() -> Any:
    pa = _pyarrow()
    kinds = {str: pa.string(), int: pa.int64(), float: pa.float64(), list: pa.list_(pa.string())}
    fields = []
    for one in msgspec.structs.fields(Row):
        options = [kind for kind in get_args(one.type) or (one.type,) if kind is not type(None)]
        first = options[0]
        kind = str if isinstance(first, str) else getattr(first, "__origin__", first)
        fields.append(pa.field(one.name, kinds[kind]))
    return pa.schema(fields)


def _write_parquet(path: str, rows: dict[str, Row]) -> None:
    pa = _pyarrow()
    names = [one.name for one in msgspec.structs.fields(Row)]
    plain = [{name: _utf8(getattr(row, name)) for name in names} for row in rows.values()]
    table = pa.Table.from_pylist(plain, schema=_schema())
    with atomic_write(path) as stream:
        pa.parquet.write_table(table, stream)


def _read_parquet(path: str) -> Iterator[Row]:
    pa = _pyarrow()
    try:
        with open_regular(path), contextlib.closing(pa.parquet.ParquetFile(path)) as file:
            for batch in file.iter_batches():
                for plain in batch.to_pylist():
                    said = {name: value for name, value in plain.items() if value is not None}
                    yield msgspec.convert(said, Row)
    except (pa.ArrowException, OSError, ValueError, msgspec.ValidationError) as error:
        if isinstance(error, FormatError):
            raise
        raise FormatError(
            f"{display(path)} holds no rows of a bulk run", hint="name another file for the rows"
        ) from None


def _utf8(value: Any) -> Any:
    """Return text as Parquet takes it: a lone surrogate (a byte of a path) as an escape."""
    if isinstance(value, str):
        return without_secrets(value).encode("utf-8", "backslashreplace").decode("utf-8")
    return [_utf8(one) for one in value] if isinstance(value, list) else value
