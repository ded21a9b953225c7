# SPDX-License-Identifier: BSD-3-Clause
"""Where large payloads lie outside of the database: a folder, S3, whatever fsspec can open.

Floor 7.  Objects have random names; what they must contain is in the database, signed for.  Nothing
is ever overwritten, so a reader never meets half of an object.
"""

from __future__ import annotations

import contextlib
import datetime
import os
import re
import secrets
from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO, Final

from safeserial.errors import CorruptArtifactError, MissingExtraError, SafeSerialError
from safeserial.store.engine import explained

_KEY: Final = re.compile(r"[0-9a-f]{2}/[0-9a-f]{30}\Z")
_BLOCK: Final = 8 * 2**20
_PARTS: Final = 9_000  # S3 allows 10,000
_S3: Final = ("s3", "s3a")


class Location:
    """A folder or bucket.

    Parameters
    ----------
    url : str
        In fsspec's words; credentials in it are never shown.
    options : mapping
        For fsspec.
    """

    def __init__(self, url: str, options: Mapping[str, Any]) -> None:
        self.url = url
        self.shown = re.sub(r"//[^/@]*@", "//", url)
        try:
            import fsspec
            from fsspec.core import url_to_fs
        except ImportError:
            raise MissingExtraError("s3", f"a store with payloads in {self.shown}") from None
        self._s3 = fsspec.core.split_protocol(url)[0] in _S3
        with self.translated():
            self._system, self._root = url_to_fs(url, **self._quiet(options))
            self._local = isinstance(self._system, fsspec.implementations.local.LocalFileSystem)

    def _quiet(self, options: Mapping[str, Any]) -> dict[str, Any]:
        """Keep fsspec from listing what it has listed before, and S3 from eight uploads at once."""
        given = dict(options)
        if self._s3:
            given.setdefault("use_listings_cache", False)
            given.setdefault("max_concurrency", 1)
        return given

    @contextlib.contextmanager
    def writing(self, size: int) -> Iterator[tuple[str, BinaryIO]]:
        """Open a new object for `size` bytes; it is removed if the writing fails.

        Yields
        ------
        key : str
            Its name.
        stream : binary file
            To be written forward.
        """
        name = secrets.token_hex(16)
        key = f"{name[:2]}/{name[2:]}"
        path = f"{self._root}/{key}"
        with self.translated():
            if self._local:
                self._system.makedirs(os.path.dirname(path), exist_ok=True)  # noqa: PTH120 - fsspec's
            block = max(_BLOCK, -(-size // _PARTS))
            stream = self._system.open(path, "wb", block_size=block)
        try:
            yield key, stream
            with self.translated():
                if self._local:
                    stream.flush()
                    os.fsync(stream.fileno())
                stream.close()
        except BaseException:
            self._drop(stream, path)
            raise
        if self._local:
            _sync(os.path.dirname(path))  # noqa: PTH120 - fsspec's path

    def _drop(self, stream: Any, path: str) -> None:
        with contextlib.suppress(Exception):
            discard = getattr(stream, "discard", None)
            if discard is not None and not self._local:
                discard()  # breaks an upload off
                stream.closed = True
            else:
                stream.close()
        with contextlib.suppress(Exception):
            self._system.rm_file(path)

    @contextlib.contextmanager
    def reading(self, key: str) -> Iterator[BinaryIO]:
        """Open an object."""
        if not _KEY.match(key):
            raise CorruptArtifactError("the store names an object outside of its folder")
        with self.translated():
            options = {} if self._local else {"cache_type": "readahead"}
            with self._system.open(
                f"{self._root}/{key}", "rb", block_size=_BLOCK, **options
            ) as stream:
                yield stream

    def remove(self, key: str) -> None:
        """Remove an object that may be gone already."""
        if _KEY.match(key):
            with self.translated(), contextlib.suppress(FileNotFoundError):
                self._system.rm_file(f"{self._root}/{key}")

    def listed(self) -> Iterator[tuple[str, int, datetime.datetime]]:
        """Yield key, size and time of every object that has a name as ours."""
        with self.translated():
            try:
                found = self._system.find(self._root, detail=True)
            except FileNotFoundError:
                return
        for path, facts in found.items():
            key = "/".join(path.rsplit("/", 2)[1:])
            if _KEY.match(key):
                yield key, int(facts.get("size") or 0), _moment(facts)

    @contextlib.contextmanager
    def translated(self) -> Iterator[None]:
        """Turn the errors of a bucket into the project's."""
        try:
            yield
        except SafeSerialError:
            raise
        except ImportError:
            raise MissingExtraError("s3", f"a store with payloads in {self.shown}") from None
        except Exception as error:  # noqa: BLE001 - clients of buckets raise what they like
            raise explained(error, self.shown) from None


def _moment(facts: Mapping[str, Any]) -> datetime.datetime:
    for word in ("LastModified", "last_modified", "mtime", "created"):
        value = facts.get(word)
        if isinstance(value, datetime.datetime):
            return value if value.tzinfo else value.replace(tzinfo=datetime.UTC)
        if isinstance(value, int | float):
            return datetime.datetime.fromtimestamp(value, datetime.UTC)
    return datetime.datetime.now(datetime.UTC)  # unknown: never old enough to be removed


def _sync(folder: str) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
