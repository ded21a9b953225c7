# SPDX-License-Identifier: BSD-3-Clause
"""``safeserial show``: a model in the browser page, served to this machine alone.

Floor 8.  The page verifies and runs the model itself; this hands out a fixed list of files.
"""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import click

from safeserial.cli.outcome import Misuse
from safeserial.files import read_small

_LOOPBACK: Final = "127.0.0.1"
_KINDS: Final = {
    ".html": "text/html; charset=utf-8", ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8", ".mjs": "text/javascript; charset=utf-8",
    ".wasm": "application/wasm",
}  # fmt: skip
_ENGINE: Final = "ort/ort.wasm.min.mjs"
_MOST: Final = 2**31 - 1  # of a model; what the page can take


@click.command(short_help="Show a signed ONNX model in the browser, and ask it.")
@click.argument("model", type=click.Path(dir_okay=False))
@click.option(
    "--page", "folder", required=True, type=click.Path(file_okay=False), metavar="FOLDER",
    help="The page, as converters/clients/browser/build.mjs makes it.",
)  # fmt: skip
@click.option("--key", type=click.Path(dir_okay=False), metavar="FILE", help="Public key, PEM.")
@click.option("--port", default=0, type=click.IntRange(0, 65535), help="Default: a free one.")
def show(model: str, folder: str, key: str | None, port: int) -> None:
    """Serve MODEL and the page that verifies and asks it, on 127.0.0.1, until interrupted.

    MODEL is a .safeserial, or an .onnx with its .sig.  Without --key the page asks for the sender's
    public key.  The address is on stdout.
    """
    given = {"/given/model": Path(model), "/given/signature": Path(f"{model}.sig")}
    if key is not None:
        given["/given/key"] = Path(key)
    files = {name: path for name, path in given.items() if path.exists()}
    wanted = {"/given/model", *(["/given/key"] if key is not None else [])}
    if missing := sorted(wanted - set(files)):
        raise Misuse(f"there is no file {given[missing[0]]}", hint="look at the path")
    contents = {name: read_small(path, limit=_MOST) for name, path in files.items()}
    _serve(_files_of(Path(folder)), contents, port)


def _files_of(folder: Path) -> dict[str, Path]:
    """Return what the page consists of: known kinds of files, no links, two folders deep."""
    found = {
        "/" + one.relative_to(folder).as_posix(): one
        for pattern in ("*", "*/*")
        for one in folder.glob(pattern)
        if one.suffix in _KINDS and one.is_file() and not one.is_symlink()
    }
    if not {"/index.html", f"/{_ENGINE}"} <= set(found):
        raise Misuse(
            f"{folder} is not the page", hint="node converters/clients/browser/build.mjs FOLDER"
        )
    return {**found, "/": found["/index.html"]}


def _serve(pages: Mapping[str, Path], contents: Mapping[str, bytes], port: int) -> None:
    class Handler(BaseHTTPRequestHandler):
        timeout = 30

        def do_GET(self) -> None:
            # A name that another site points at this machine is not ours to answer.
            path = urlsplit(self.path).path
            if self.headers.get("Host") != f"{_LOOPBACK}:{server.server_port}":
                self._answer(HTTPStatus.MISDIRECTED_REQUEST, b"", "")
            elif path in contents:
                self._answer(HTTPStatus.OK, contents[path], "application/octet-stream")
            elif path in pages:
                data = read_small(pages[path], limit=_MOST)
                self._answer(HTTPStatus.OK, data, _KINDS[pages[path].suffix])
            elif path.startswith("/given/"):  # the page asks which are there
                self._answer(HTTPStatus.NO_CONTENT, b"", "")
            else:
                self._answer(HTTPStatus.NOT_FOUND, b"", "")

        def _answer(self, status: HTTPStatus, data: bytes, kind: str) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind or "text/plain")
            if status != HTTPStatus.NO_CONTENT:
                self.send_header("Content-Length", str(len(data)))
            self.send_header("Cache-Control", "no-store")
            self.send_header("X-Content-Type-Options", "nosniff")
            self.send_header("X-Frame-Options", "DENY")
            self.send_header("Cross-Origin-Resource-Policy", "same-origin")
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, format: str, *args: object) -> None:
            del format, args

    server = ThreadingHTTPServer((_LOOPBACK, port), Handler)
    server.daemon_threads = True
    with server:
        click.echo(f"http://{_LOOPBACK}:{server.server_port}/?given")
        server.serve_forever()
