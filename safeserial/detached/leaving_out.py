# SPDX-License-Identifier: BSD-3-Clause
"""What a signature does not cover: named always, and refused where a program could load it.

Floor 5.  Model Signing leaves ``.git`` and the like out of a folder's signature, so that a clone
verifies.  Whoever can write there could hide a model or code in it.  What Git itself keeps there is
recognised; what looks like code, or like a model, is not passed over.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterable
from typing import Final

from safeserial.detached import names
from safeserial.detached.tree import Found, Listing, Own, Tree, is_own
from safeserial.errors import LeftOutContentError
from safeserial.files import display

# What an interpreter, a linker or a machine-learning library opens by its name.
_SUFFIXES: Final = frozenset(
    ".bin .ckpt .dll .dylib .egg .exe .gguf .h5 .hdf5 .ipynb .jar .joblib .js .keras .mar .model"
    " .msgpack .npy .npz .onnx .ort .pb .pickle .pkl .pt .pt2 .pth .pyc .pyd .py .pyw .pyz"
    " .safeserial .safetensors .skops .so .tflite .torchscript .ubj .weights .whl .zip".split()
)
# ... or knows by its first bytes: pickles, ZIP, ELF, PE, HDF5, NumPy, GGUF, gzip, bzip2, xz, zstd,
# lz4, Mach-O, bytecode is told by its suffix alone.
_STARTS: Final = (
    *(b"\x80" + bytes([protocol]) for protocol in range(1, 6)),
    b"PK\x03\x04", b"\x7fELF", b"MZ", b"\x89HDF", b"\x93NUMPY", b"GGUF", b"\x1f\x8b", b"BZh",
    b"\xfd7zXZ", b"\x28\xb5\x2f\xfd", b"\x04\x22\x4d\x18", b"\xcf\xfa\xed\xfe", b"\xca\xfe\xba\xbe",
    b"(dp", b"(lp", b"ccopy_reg", b"cnumpy", b"csklearn", b"c__builtin__", b"cbuiltins", b"cos\n",
    b"cposix",
)  # fmt: skip
# zlib, as joblib writes it; Git's own loose objects are zlib too, under names of their own.
_ZLIB: Final = (b"\x78\x01", b"\x78\x5e", b"\x78\x9c", b"\x78\xda")
_LOOSE: Final = re.compile(
    r"\.git/(?:modules/.+/)?objects/[0-9a-f]{2}/(?:[0-9a-f]{38}|[0-9a-f]{62})\Z"
)
# Names that people give to branches are names of files below these.
_REFS: Final = re.compile(r"\.git/(?:logs/)?refs/")
_SHOWN: Final = 5


def listing(
    tree: Tree, ignored: Iterable[str], accepted: Iterable[str] = (), own: Own | None = None
) -> Listing:
    """List a folder, and look into what its signature leaves out.

    Parameters
    ----------
    tree : Tree
        The folder.
    ignored : iterable of str
        What the signature leaves out.
    accepted : iterable of str
        What the caller, too, says to be no part of the model: it is not looked into.
    own : (str, (int, int)), optional
        The signature's own file: name, device and inode.

    Raises
    ------
    LeftOutContentError
        If a place is left out that holds what a program could load, or that neither Model Signing
        nor the caller leaves out.
    UnsafeFolderError, LimitExceededError
        As :meth:`Tree.listing`.
    """
    known = tuple(accepted)
    found = tree.listing(ignored, own)
    for place, file in found.left_out.items():
        if names.is_below(place, known) or (file is not None and is_own(place, file.stamp, own)):
            continue
        if place not in names.GIT_NAMES:
            raise LeftOutContentError(
                f"the signature leaves out {display(place)}, which is there", names=(place,)
            )
        loadable = [name for name, facts in tree.below(place) if _is_loadable(tree, name, facts)]
        if loadable:
            shown = ", ".join(map(display, loadable[:_SHOWN]))
            more = f" and {len(loadable) - _SHOWN} more" if len(loadable) > _SHOWN else ""
            raise LeftOutContentError(
                f"outside of the signature stands what a program could load: {shown}{more}",
                names=loadable,
            )
    return found


def _is_loadable(tree: Tree, name: str, facts: os.stat_result) -> bool:
    if stat.S_ISDIR(facts.st_mode):
        return False
    if not stat.S_ISREG(facts.st_mode):
        return True  # a symlink out of here, or worse
    suffix = name[name.rfind(".") :].lower() if "." in name.rpartition("/")[2] else ""
    if suffix in _SUFFIXES and not _REFS.match(name):
        return True
    descriptor = tree.open(name)
    try:
        start = os.read(descriptor, 16)
    finally:
        os.close(descriptor)
    return start.startswith(_STARTS) or (start.startswith(_ZLIB) and not _LOOSE.match(name))


def found_again(before: Listing, after: Listing) -> list[str]:
    """Return the names of files in which two listings differ, sorted."""
    changed = [
        name
        for name in {*before.files, *after.files}
        if before.files.get(name) != after.files.get(name)
    ]
    return sorted(changed)


def sizes(files: Iterable[Found]) -> int:
    """Return the bytes of files in all."""
    return sum(one.size for one in files)
