# SPDX-License-Identifier: BSD-3-Clause
"""The doors to pickle that other people's code uses, as they were before anybody changed them.

Floor 5.  The guard puts its own functions in their place and needs the real ones beside them; only
this package may import pickle and joblib, so they are handed out here.
"""

from __future__ import annotations

import pickle
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

# Imported before any door is changed: their classes have to be made from the real unpickler.
from safeserial.codecs import joblib_codec as joblib_codec
from safeserial.codecs import pickle_codec as pickle_codec
from safeserial.codecs.unpickling import RestrictedUnpickler
from safeserial.codecs.unpickling import find_object as find_object

LOAD: Final[Callable[..., Any]] = pickle.load
LOADS: Final[Callable[..., Any]] = pickle.loads
UNPICKLER: Final[type] = pickle.Unpickler
PYTHON_UNPICKLER: Final[type] = pickle._Unpickler  # noqa: SLF001
PYTHON_LOAD: Final[Callable[..., Any]] = PYTHON_UNPICKLER.load  # type: ignore[attr-defined]
UnpicklingError: Final = pickle.UnpicklingError

# Where the doors themselves stand; whoever imported one from there has a copy of the reference.
HOMES: Final = frozenset(
    {
        "pickle",
        "_pickle",
        "joblib",
        "joblib.numpy_pickle",
        "numpy",
        "numpy.lib.npyio",
        "numpy.lib._npyio_impl",
        "pandas",
        "pandas.io.api",
        "pandas.io.pickle",
    }
)


@dataclass(frozen=True)
class Libraries:
    """The doors of libraries.

    Parameters
    ----------
    joblib_load, numpy_load : callable
        Of libraries that safeserial itself needs.
    read_pickle : callable, optional
        Of pandas, where it has been imported.
    numpy_unpickler : type
        joblib's own unpickler.
    npz_file : type
        What ``numpy.load`` returns for an archive; reads its members later.
    """

    joblib_load: Callable[..., Any]
    numpy_load: Callable[..., Any]
    read_pickle: Callable[..., Any] | None
    numpy_unpickler: type
    npz_file: type


def libraries() -> Libraries:
    """Import what is needed, and return the doors as they stand.

    Returns
    -------
    Libraries
        To be asked for while no guard is open.
    """
    import joblib.numpy_pickle
    import numpy as np

    pandas = sys.modules.get("pandas")
    return Libraries(
        joblib.numpy_pickle.load,
        np.load,
        getattr(pandas, "read_pickle", None),
        joblib.numpy_pickle.NumpyUnpickler,
        np.lib.npyio.NpzFile,
    )


def subclasses(*, besides: type) -> list[type]:
    """Return the classes that other code has made directly from the C unpickler.

    Parameters
    ----------
    besides : type
        The guard's own, which goes by the name of the original.
    """
    if UNPICKLER is PYTHON_UNPICKLER:
        return []
    found: list[type] = UNPICKLER.__subclasses__()
    ours = (besides, RestrictedUnpickler)
    return [one for one in found if one not in ours]
