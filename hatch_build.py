# SPDX-License-Identifier: BSD-3-Clause
"""Put the sources of the clients in other languages into the wheel, which `codegen` writes from.

Which they are says ``safeserial_converters/clients.py``, which finds them there afterwards: what
npm, cargo or a compiler left in their folders is none.  An editable install reads the checkout.
"""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class Clients(BuildHookInterface):  # type: ignore[type-arg]
    """What hatchling calls before it builds the wheel."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Name the files."""
        if version == "editable":
            return
        package = Path(self.root, "converters", "safeserial_converters")
        found = runpy.run_path(str(package / "clients.py"))
        folder: Path = found["clients_folder"]()
        for client in sorted(
            one for one in folder.iterdir() if one.name not in found["NO_CLIENTS"]
        ):
            for one in found["source_files"](client):
                place = f"safeserial_converters/clients/{one.relative_to(folder).as_posix()}"
                build_data["force_include"][str(one)] = place
