# SPDX-License-Identifier: BSD-3-Clause
"""``safeserial store``: the model store from the shell; which verbs there are, and where they live.

Floor 8.
"""

from __future__ import annotations

import click

from safeserial.cli.app import LazyGroup

_WRITING = "safeserial.cli.store_writing"
_READING = "safeserial.cli.store_reading"
_CARE = "safeserial.cli.store_care"
_MOVING = "safeserial.cli.store_moving"
_IMPORTING = "safeserial.cli.store_importing"


@click.group(
    cls=LazyGroup,
    homes={
        "init": f"{_CARE}:init",
        "publish": f"{_WRITING}:publish",
        "get": f"{_READING}:get",
        "load-check": f"{_READING}:load_check",
        "list": f"{_READING}:list_",
        "search": f"{_READING}:search",
        "show": f"{_READING}:show",
        "alias": f"{_WRITING}:alias",
        "rollback": f"{_WRITING}:rollback",
        "refresh": f"{_WRITING}:refresh",
        "yank": f"{_WRITING}:yank",
        "restore": f"{_WRITING}:restore",
        "delete": f"{_WRITING}:delete",
        "diff": f"{_READING}:diff",
        "history": f"{_READING}:history",
        "verify": f"{_CARE}:verify",
        "audit": f"{_CARE}:audit",
        "gc": f"{_CARE}:gc",
        "migrate": f"{_CARE}:migrate",
        "forget": f"{_CARE}:forget",
        "export": f"{_MOVING}:export",
        "import": f"{_MOVING}:import_",
        "copy": f"{_MOVING}:copy",
        "import-mlflow": f"{_IMPORTING}:import_mlflow",
        "import-joblib": f"{_IMPORTING}:import_joblib",
    },
    short_help="Publish, find and load models in a store that nobody has to trust.",
)
def store() -> None:
    """Keep named, versioned, signed models in a database.

    The store is --store URL, else $SAFESERIAL_STORE, else [store] url in the configuration file
    (see the reference page).  A password has no place on a command line: put it into PGPASSWORD,
    ~/.pgpass, or into SAFESERIAL_STORE.

    A version is called name:7, name@production, or name for the newest.
    """
