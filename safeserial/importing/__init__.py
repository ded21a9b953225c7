# SPDX-License-Identifier: BSD-3-Clause
"""Bring models that lie elsewhere into a store: MLflow's registry, a folder of joblib files.

Floor 7.  Nothing of those systems is imported, and nothing they name is run: files are read, each
model goes through the opcode verifier and the allowlist, and is signed on the way in.
"""

from __future__ import annotations

from safeserial.importing.bringing import Brought as Brought
from safeserial.importing.folders import import_folder as import_folder
from safeserial.importing.mlflow import import_mlflow as import_mlflow

__all__ = ["Brought", "import_folder", "import_mlflow"]
