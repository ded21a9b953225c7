# SPDX-License-Identifier: BSD-3-Clause
"""Who is compared: what to install for it, what it is for, and how its answer is read."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final


@dataclass(frozen=True, kw_only=True)
class Peer:
    """One row of the comparison.

    Parameters
    ----------
    key : str
        Its name in ``worker.py`` and in the results.
    title : str
        For people.
    role : {"scanner", "loader"}
        Whether it judges a file or opens it.
    environment : str
        The virtual environment it runs in; empty for that of this project.
    packages : tuple of str
        What is installed there; the versions are pinned, so that a run can be repeated.
    purpose : str
        What its makers say it is for, in our words.
    rule : str
        How its answer becomes "stopped" or "let pass".
    form : {"pickle", "skops", "torch"}
        The files it is given.
    """

    key: str
    title: str
    role: str
    environment: str
    packages: tuple[str, ...]
    purpose: str
    rule: str
    form: str = "pickle"


_MODELAUDIT: Final = ("modelaudit==0.2.54", "modelaudit-picklescan==0.1.12")
_RAISED: Final = "stopped: an exception, and no harm seen; let pass: an object came out"
PEERS: Final = (
    Peer(
        key="native",
        title="`pickle.load` / `joblib.load`",
        role="loader",
        environment="",
        packages=(),
        purpose="to load files that one trusts; promises no safety",
        rule=_RAISED,
    ),
    Peer(
        key="exact",
        title="`find_class` with an exact allowlist",
        role="loader",
        environment="",
        packages=(),
        purpose="what the manual of `pickle` recommends; with just the names of the honest files",
        rule=_RAISED,
    ),
    Peer(
        key="picklescan",
        title="picklescan",
        role="scanner",
        environment="picklescan",
        packages=("picklescan==1.0.5", "numpy"),
        purpose="a blocklist of dangerous names, for model hubs",
        rule="stopped: exit code 1; gave up: 2; let pass: 0",
    ),
    Peer(
        key="picklescan-strict",
        title="picklescan --strict",
        role="scanner",
        environment="picklescan",
        packages=("picklescan==1.0.5", "numpy"),
        purpose="the same, where each name that is not known to be harmless is dangerous",
        rule="stopped: exit code 1; gave up: 2; let pass: 0",
    ),
    Peer(
        key="modelscan",
        title="modelscan",
        role="scanner",
        environment="modelscan",
        packages=("modelscan==0.8.8",),
        purpose="a blocklist of dangerous names, for many formats",
        rule="stopped: exit code 1; gave up: 2 (error) or 3 (not scanned); let pass: 0",
    ),
    Peer(
        key="fickling",
        title="fickling --check-safety",
        role="scanner",
        environment="fickling",
        packages=("fickling==0.1.12", "typing_extensions", "numpy"),
        purpose="an analysis of what a pickle does; imports from outside the standard library tell",
        rule="stopped: exit code 1 (worse than LIKELY_SAFE); gave up: 2; let pass: 0",
    ),
    Peer(
        key="fickling-overt",
        title="fickling, only *overtly malicious*",
        role="scanner",
        environment="fickling",
        packages=("fickling==0.1.12", "typing_extensions", "numpy"),
        purpose="the same with the threshold that lets models pass",
        rule="stopped: LIKELY_OVERTLY_MALICIOUS or worse; gave up: no parse; let pass: less",
    ),
    Peer(
        key="modelaudit",
        title="modelaudit",
        role="scanner",
        environment="modelaudit",
        packages=_MODELAUDIT,
        purpose="an allowlist-first scanner of many formats, with advice on each finding",
        rule="stopped: exit code 1; gave up: 2; let pass: 0",
    ),
    Peer(
        key="torch",
        title="PyTorch `weights_only=True`",
        role="loader",
        environment="torch",
        packages=("torch==2.13.0", "numpy"),
        purpose="to load tensors; is given the pickle in an archive as `torch.save` makes it",
        rule=_RAISED,
        form="torch",
    ),
    Peer(
        key="skops",
        title="skops.io.load",
        role="loader",
        environment="skops",
        packages=("skops==0.16.0",),
        purpose="a format without pickle; is given the same models, saved by `skops.io.dump`",
        rule="with `trusted=None`; " + _RAISED,
        form="skops",
    ),
    Peer(
        key="safeserial-inspect",
        title="**safeserial.inspect**",
        role="scanner",
        environment="",
        packages=(),
        purpose="to say before loading what a file holds and whether the default policy admits it",
        rule="stopped: verdict *dangerous* or *needs trust*; gave up: any other; let pass: *safe*",
    ),
    Peer(
        key="safeserial",
        title="**safeserial.load_unsigned**",
        role="loader",
        environment="",
        packages=(),
        purpose="to load the honest and refuse the rest, default policy, nothing in `trusted`",
        rule=_RAISED,
    ),
)


def interpreter(peer: Peer, cache: Path) -> Path:
    """Return the Python that a peer runs in; it need not exist."""
    return Path(sys.executable) if not peer.environment else cache / peer.environment / "bin/python"


def install(peer: Peer, cache: Path, alike: tuple[str, ...] = ()) -> str:
    """Make the environment of a peer.

    Parameters
    ----------
    peer : Peer
        Whose.
    cache : path
        Folder of all environments.
    alike : tuple of str
        Further requirements, for libraries that must be those of this project.

    Returns
    -------
    str
        Why it failed, empty if it did not.
    """
    python = interpreter(peer, cache)
    # Not `resolve`: the command in a virtual environment is a link, and knows by it where it is.
    commands = [[str(python), "-m", "pip", "install", "--quiet", *peer.packages, *alike]]
    if not python.exists():
        cache.mkdir(parents=True, exist_ok=True)
        commands.insert(0, [sys.executable, "-m", "venv", str(python.parents[1])])
    for command in commands:
        ran = subprocess.run(command, capture_output=True, text=True, check=False)
        if ran.returncode:
            return f"not installed: {(ran.stderr.strip() or 'no message').splitlines()[-1][:300]}"
    return ""
