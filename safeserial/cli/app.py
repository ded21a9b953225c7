# SPDX-License-Identifier: BSD-3-Clause
"""The command ``safeserial``: which verbs there are, and where each of them lives.

Floor 8.  A verb's module is imported when the verb is used: verifying a file must not wait for
what a demonstration needs.
"""

from __future__ import annotations

import importlib
import sys
import warnings
from collections.abc import Mapping, Sequence
from typing import Any, Final, NoReturn

import click

from safeserial import __version__
from safeserial.cli import outcome

BESIDE: Final = "an entry point"  # the home of a command that stands beside the core


def _beside(name: str) -> click.Command | None:
    """Return a command of another package, found by entry point and never imported by name."""
    from importlib.metadata import entry_points

    found = list(entry_points(group="safeserial.commands", name=name))
    command: click.Command | None = found[0].load() if found else None
    return command


class LazyGroup(click.Group):
    """A group that knows where its commands live and imports one when it is asked for it.

    Parameters
    ----------
    homes : mapping of str to str
        Command name to ``module:attribute``, in the order in which help lists them.
    """

    def __init__(self, *args: Any, homes: Mapping[str, str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.homes = homes

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all commands, importing none."""
        del ctx
        return list(self.homes)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import one command."""
        del ctx
        home = self.homes.get(cmd_name)
        if home is None:
            return None
        if home == BESIDE:
            return _beside(cmd_name)
        module, _, attribute = home.partition(":")
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command


class Application(LazyGroup):
    """The whole program: every way to end is an exit code, every failure two lines."""

    def main(  # type: ignore[override]
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        **extra: Any,
    ) -> NoReturn:
        """Run, and leave the process."""
        del prog_name  # `python -m safeserial` is called by its name, too
        extra.pop("standalone_mode", None)
        try:
            code = super().main(args, "safeserial", standalone_mode=False, **extra)
        except click.Abort:
            code = outcome.interrupted()
        except click.ClickException as error:
            code = outcome.misused(error)
        except Exception as error:  # noqa: BLE001 - the one place where all errors end
            code = outcome.failed(error)
        sys.exit(code if isinstance(code, int) else 0)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the chosen command; tell its warnings in one line each."""
        with warnings.catch_warnings():
            warnings.showwarning = outcome.show_warning
            try:
                result = super().invoke(ctx)
                sys.stdout.flush()
            except BrokenPipeError:
                ctx.exit(outcome.unheard())
            except KeyboardInterrupt:
                ctx.exit(outcome.interrupted())
        return result


@click.group(
    cls=Application,
    homes={
        "demo": "safeserial.cli.demo:demo",
        "keys": "safeserial.cli.keys:keys",
        "pack": "safeserial.cli.packing:pack",
        "unpack": "safeserial.cli.packing:unpack",
        "sign": "safeserial.cli.signing:sign",
        "approve": "safeserial.cli.approving:approve",
        "verify": "safeserial.cli.verifying:verify",
        "inspect": "safeserial.cli.inspecting:inspect",
        "policy": "safeserial.cli.policies:policy",
        "guard": "safeserial.cli.guarding:guard",
        "convert": "safeserial.cli.converting:convert",
        "codegen": BESIDE,
        "bench": BESIDE,
        "bulk": "safeserial.cli.bulk:bulk",
        "store": "safeserial.cli.store:store",
        "serve": "safeserial.cli.serving:serve",
        "show": "safeserial.cli.showing:show",
    },
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, prog_name="safeserial", message="%(prog)s %(version)s")
def app() -> None:
    """Save models signed, and open them without running anybody's code.

    Exit codes: 0 done or trusted, 1 refused, 2 could not tell.  Data goes to stdout, talk to
    stderr.  SAFESERIAL_DEBUG=1 shows where an error comes from.
    """
