# SPDX-License-Identifier: BSD-3-Clause
"""A module of somebody else that imported the functions by name, before any guard was open."""

from pickle import Unpickler, load, loads

from joblib import load as joblib_load
from numpy import load as numpy_load

__all__ = ["Unpickler", "joblib_load", "load", "loads", "numpy_load"]
