# SPDX-License-Identifier: BSD-3-Clause
"""The program ``safeserial``, also ``python -m safeserial``.

Floor 9.
"""

from __future__ import annotations

import io
import sys
from typing import NoReturn


def main() -> NoReturn:
    """Run the command line and leave with its exit code."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # What a terminal cannot show is written as an escape, never a crash after the work.
            stream.reconfigure(errors="backslashreplace")
    try:
        from safeserial.cli.app import app
    except KeyboardInterrupt:
        sys.stderr.write("interrupted\n")
        sys.exit(130)
    app.main()


if __name__ == "__main__":
    main()
