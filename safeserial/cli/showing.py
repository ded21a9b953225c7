# SPDX-License-Identifier: BSD-3-Clause
"""``safeserial show``: a model in the browser page, served to this machine alone.

Floor 8.  The page verifies and runs the model itself; this hands out a fixed list of files.
"""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path, PurePosixPath
from typing import Final
from urllib.parse import urlsplit

import click

from safeserial.cli.outcome import Misuse
from safeserial.cli.page import KINDS, page_files
from safeserial.cli.render import printable, talk
from safeserial.files import atomic_write, display, read_small

_LOOPBACK: Final = "127.0.0.1"
_MOST: Final = 2**31 - 1  # of a model; what the page can take


@click.command(short_help="Show a signed ONNX model in the browser, and ask it.")
@click.argument("model", type=click.Path(dir_okay=False), required=False)
@click.option("--key", type=click.Path(dir_okay=False), metavar="FILE", help="Public key, PEM.")
@click.option("--port", default=0, type=click.IntRange(0, 65535), help="Default: a free one.")
@click.option(
    "--engine", multiple=True, type=click.Path(exists=True), metavar="PLACE",
    help="ONNX Runtime Web: its archive as `npm pack` writes it, or a folder node_modules.  "
    "Default: the one in your cache, else npm fetches it.  May be repeated.",
)  # fmt: skip
@click.option(
    "--page", "folder", type=click.Path(file_okay=False), metavar="FOLDER",
    help="The whole page, as --write-page made it.",
)  # fmt: skip
@click.option(
    "--write-page", "written", type=click.Path(file_okay=False), metavar="FOLDER",
    help="Write the page as static files for a web server, and serve nothing.",
)  # fmt: skip
def show(
    *,
    model: str | None,
    key: str | None,
    port: int,
    engine: tuple[str, ...],
    folder: str | None,
    written: str | None,
) -> None:
    """Serve MODEL and the page that verifies and asks it, on 127.0.0.1, until interrupted.

    MODEL is a .safeserial, or an .onnx with its .sig.  Without --key the page asks for the sender's
    public key.  The address is on stdout.  The page runs the model in ONNX Runtime Web, which npm
    fetches the first time.
    """
    if written is None:
        if model is None:
            raise Misuse("which model?", hint="safeserial show model.onnx --key sender.pem")
        given = _given(model, key)
        _serve(page_files(folder, engine), given, port)
    elif model is not None:
        raise Misuse("--write-page takes no model", hint="the page asks for it")
    else:
        _write(page_files(folder, engine), Path(written))


def _given(model: str, key: str | None) -> dict[str, bytes]:
    """Return what the page is handed: the model, its signature, the key."""
    given = {"/given/model": Path(model), "/given/signature": Path(f"{model}.sig")}
    if key is not None:
        given["/given/key"] = Path(key)
    files = {name: path for name, path in given.items() if path.exists()}
    wanted = {"/given/model", *(["/given/key"] if key is not None else [])}
    if missing := sorted(wanted - set(files)):
        raise Misuse(f"there is no file {display(given[missing[0]])}", hint="look at the path")
    return {name: read_small(path, limit=_MOST) for name, path in files.items()}


def _write(pages: Mapping[str, bytes], folder: Path) -> None:
    for name, content in pages.items():
        if name == "/":
            continue
        place = folder / name.removeprefix("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(place) as stream:
            stream.write(content)
    size = sum(map(len, pages.values())) / 1e6
    talk(printable(f"wrote the page ({size:.0f} MB) to {display(folder)}"))


def _serve(pages: Mapping[str, bytes], given: Mapping[str, bytes], port: int) -> None:
    class Handler(BaseHTTPRequestHandler):
        timeout = 30

        def do_GET(self) -> None:
            # A name that another site points at this machine is not ours to answer.
            path = urlsplit(self.path).path
            if self.headers.get("Host") != f"{_LOOPBACK}:{server.server_port}":
                self._answer(HTTPStatus.MISDIRECTED_REQUEST, b"", "")
            elif path in given:
                self._answer(HTTPStatus.OK, given[path], "application/octet-stream")
            elif path in pages:
                kind = KINDS[".html" if path == "/" else PurePosixPath(path).suffix]
                self._answer(HTTPStatus.OK, pages[path], kind)
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
