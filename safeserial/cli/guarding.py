# SPDX-License-Identifier: BSD-3-Clause
"""``safeserial guard``: run somebody's script with what it unpickles verified first.

Floor 8.
"""

from __future__ import annotations

import os
import runpy
import sys
import traceback

import click

from safeserial.cli import options, outcome
from safeserial.cli.outcome import Misuse
from safeserial.errors import SafeSerialError, UntrustedTypesError
from safeserial.files import display


@click.command(
    short_help="Run a script, verifying what it unpickles.",
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
)
@click.argument("script", metavar="SCRIPT", type=click.Path())
@click.argument("arguments", metavar="[ARGUMENTS]", nargs=-1, type=click.UNPROCESSED)
@options.policy
@options.trust
@click.option(
    "--audit",
    metavar="FILE",
    type=click.Path(),
    help="Append a line of JSON for each load.",
)
@click.option(
    "--report-only",
    is_flag=True,
    help="Refuse nothing, only say what would be refused.  This protects from nothing.",
)
def guard(
    *,
    script: str,
    arguments: tuple[str, ...],
    policy_file: str | None,
    trusted: tuple[str, ...],
    audit: str | None,
    report_only: bool,
) -> int:
    """Run a Python script with a guard around what it loads by pickle, joblib, NumPy or pandas.

    Options of this command come before SCRIPT, those of the script behind it.  The exit code is the
    script's, or 1 where it ended because a load was refused.
    """
    from safeserial.guarding import guard as guarded

    if not os.path.isfile(script):  # noqa: PTH113 - the path is the script's own argument
        raise Misuse(f"no such script: {display(script)}", hint="safeserial guard SCRIPT.py ...")
    policy = options.read_policy(policy_file, trusted)
    opened = guarded(policy, audit=audit, on_violation="report" if report_only else "refuse")
    sys.argv = [script, *arguments]
    sys.path.insert(0, os.path.dirname(os.path.abspath(script)))  # noqa: PTH100, PTH120 - as python does
    with opened:
        return _run(script)


def _run(script: str) -> int:
    """Run the script; an exception of its own is shown as Python shows it."""
    try:
        runpy.run_path(script, run_name="__main__")
    except UntrustedTypesError as error:
        outcome.show(str(error), options.trust_hint(error.types))
        return outcome.REFUSED
    except SafeSerialError as error:
        outcome.failed(error)
        return outcome.REFUSED
    except Exception:  # noqa: BLE001 - whatever the script did not catch
        traceback.print_exc()
        return 1
    return outcome.DONE
