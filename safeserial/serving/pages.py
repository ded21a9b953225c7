# SPDX-License-Identifier: BSD-3-Clause
"""The page that verifies and runs models in the browser, handed out beside the server's own.

Floor 7.  At ``/page/MODEL/?given`` it finds the signed file, its signature and the sender's public
key beside it, and checks for itself what it is given; it needs no answer of this server.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from safeserial.errors import NotAnArtifactError
from safeserial.files import StrPath, read_small
from safeserial.serving.replies import OK, Asked, Refused, Reply
from safeserial.serving.repository import Place

_KINDS: Final = {
    ".html": b"text/html; charset=utf-8",
    ".css": b"text/css; charset=utf-8",
    ".js": b"text/javascript; charset=utf-8",
    ".mjs": b"text/javascript; charset=utf-8",
    ".wasm": b"application/wasm",
}
_RAW: Final = b"application/octet-stream"
_MOST: Final = 2**31 - 1  # of a model; what the page can take
_MOST_KEY: Final = 64 * 2**10
_NOTHING: Final = 204
_HEADERS: Final = (
    (b"cache-control", b"no-store"),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"cross-origin-resource-policy", b"same-origin"),
)
_LOCAL: Final = frozenset({b"127.0.0.1", b"localhost", b"[::1]"})


@dataclass(frozen=True)
class Pages:
    """What the page consists of, and what it is given.

    Parameters
    ----------
    files : mapping of str to (bytes, bytes)
        Content and media type by path.
    models : mapping of str to str
        Paths of the signed files, by the models' names.
    key : bytes, optional
        Public key of the sender, PEM.
    local : bool, default=True
        Whether only addresses of this machine may stand in the Host header: a name that another
        site points here is not ours to answer.
    """

    files: Mapping[str, tuple[bytes, bytes]]
    models: Mapping[str, str]
    key: bytes | None = None
    local: bool = True

    @classmethod
    def read(
        cls, folder: StrPath, places: Iterable[Place], *, key: StrPath | None, local: bool
    ) -> Pages:
        """Read the page: known kinds of files, no links, two folders deep.

        Parameters
        ----------
        folder : str or path-like
            As ``converters/clients/browser/build.mjs`` makes it.
        places : iterable of Place
            The models; those in files are given to the page.
        key : str or path-like, optional
            File of the sender's public key.
        local : bool
            As above.

        Raises
        ------
        NotAnArtifactError
            If the folder is not the page.
        UnreadableFileError
            If a file cannot be read.
        """
        root = Path(folder)
        files = {
            one.relative_to(root).as_posix(): (read_small(one, limit=_MOST), _KINDS[one.suffix])
            for pattern in ("*", "*/*")
            for one in sorted(root.glob(pattern))
            if one.suffix in _KINDS and one.is_file() and not one.is_symlink()
        }
        if "index.html" not in files:
            raise NotAnArtifactError(
                f"{folder} is not the page",
                hint="node converters/clients/browser/build.mjs FOLDER makes it",
            )
        files[""] = files["index.html"]
        models = {one.name: one.path for one in places if one.store is None}
        secret = None if key is None else read_small(key, limit=_MOST_KEY)
        return cls(files, models, secret, local)

    async def answer(self, asked: Asked) -> Reply:
        """Hand out a file of the page, or what it is given.

        Raises
        ------
        Refused
            If there is no such file.
        """
        host = asked.headers.get(b"host", b"").rpartition(b":")[0] or asked.headers.get(b"host")
        if self.local and host not in _LOCAL:
            raise Refused(421, "the page is for this machine")
        path = self.models.get(asked.params["model"])
        name = asked.params["file"]
        if path is not None and name.startswith("given/"):
            data = await self._given(path, name.removeprefix("given/"))
            # Without a body: the page asks which there are.
            return Reply(_NOTHING if data is None else OK, data or b"", _RAW, _HEADERS)
        if path is None or name not in self.files:
            raise Refused(404, "there is no such page")
        content, kind = self.files[name]
        return Reply(OK, content, kind, _HEADERS)

    async def _given(self, path: str, name: str) -> bytes | None:
        if name == "key":
            return self.key
        place = {"model": path, "signature": f"{path}.sig"}.get(name)
        return None if place is None else await asyncio.to_thread(_read, Path(place))


def _read(path: Path) -> bytes | None:
    return read_small(path, limit=_MOST) if path.exists() else None
