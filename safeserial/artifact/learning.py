# SPDX-License-Identifier: BSD-3-Clause
"""Learn from files that somebody trusts which names a policy would have to list, and say what of.

Floor 6.  The files are surveyed as `admit` would read them; nothing of them is executed, and
nothing that they name is imported.  A name is proposed with the roles in which the files use it and
no others.  What is known to do harm is never proposed, whoever trusts the file.
"""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final

from safeserial import manifest as manifests
from safeserial.artifact import loading, sniffing, sources
from safeserial.artifact.boundary import emptied, keeps_nothing
from safeserial.artifact.sources import Description
from safeserial.errors import ForbiddenOperationError, SafeSerialError
from safeserial.files import StrPath, display, open_regular
from safeserial.payload import Payload
from safeserial.policy import Allowlist, Grant, Name, Policy
from safeserial.verifier import Survey, admit, survey

_ROLES: Final = ("reference", "new", "call", "build")
_ROUNDS: Final = 20
# Modules, and single names, which do harm when a file has them called or gives them a state.  The
# rest of the standard library needs no list: the policy has all of it that models use.
_DANGERS: Final = {
    "builtins.eval": "runs a text of the file as code",
    "builtins.exec": "runs a text of the file as code",
    "builtins.__import__": "imports what the file names",
    "importlib": "imports what the file names",
    "nt": "runs commands, and removes files",
    "os": "runs commands, and removes files",
    "posix": "runs commands, and removes files",
    "runpy": "runs what the file names",
    "subprocess": "runs commands",
    "cloudpickle": "makes functions of code that the file brings along",
    "dill": "makes functions of code that the file brings along",
    "joblib.externals": "makes functions of code that the file brings along",
    "joblib._store_backends": "makes and removes folders that the file names",
    "joblib.memory": "unpickles what it finds in folders that the file names",
    "joblib.numpy_pickle.load": "opens another file, and unpickles it unchecked",
    "joblib.numpy_pickle_compat": "opens other files that the file names",
    "joblib.parallel": "calls functions that the file names",
    "numpy.ctypeslib": "loads libraries that the file names",
    "numpy.distutils": "runs commands",
    "numpy.f2py": "runs commands, and evaluates text",
    "numpy.lib._datasource": "removes a folder that the file names",
    "numpy.lib._npyio_impl": "opens files that the file names",
    "numpy.lib.npyio": "opens files that the file names",
    "numpy.load": "opens another file, and may unpickle it unchecked",
    "numpy.testing": "evaluates text, and runs commands",
    "numpy.core._ufunc_reconstruct": "imports whatever the file names",
    "numpy._core._ufunc_reconstruct": "imports whatever the file names",
    "pandas.core.computation": "evaluates text",
    "pandas.eval": "evaluates text",
    "pandas.io": "reads and writes files that the file names",
    "pandas.read_pickle": "unpickles another file unchecked",
    "scipy.io": "reads and writes files that the file names",
    "scipy.stats._distn_infrastructure": "its __setstate__ runs exec on a text of the file",
    "sklearn.datasets": "reads and writes files that the file names, and the network",
    "skrub._data_ops": "its __setstate__ unpickles bytes of the file unchecked",
    "skrub.SkrubLearner": "its __setstate__ unpickles bytes of the file unchecked",
    "skrub.ParamSearch": "its __setstate__ unpickles bytes of the file unchecked",
    "skrub.OptunaParamSearch": "its __setstate__ unpickles bytes of the file unchecked",
    "torch.load": "unpickles another file unchecked",
    "torch.storage._load_from_bytes": "unpickles bytes of the file unchecked",
}
_STDLIB: Final = "belongs to the standard library, of which the policy has all that models use"


@dataclass(frozen=True)
class Proposal:
    """One name that the files need and the policy does not list.

    Parameters
    ----------
    name : (module, qualname)
        As the policy would list it.
    grant : Grant
        The roles that the files use it in, and the rule that they need; no roles for a danger.
    description : Description
        What its source says; nothing of it was imported.
    danger : str
        Why it is not proposed, ``""`` where it is.
    """

    name: Name
    grant: Grant
    description: Description
    danger: str = ""


@dataclass(frozen=True)
class Lesson:
    """What was learned.

    Parameters
    ----------
    proposals : tuple of Proposal
        Sorted by name; dangers among them.
    problems : tuple of (str, SafeSerialError)
        Files that would not load even under a policy with all proposals, and why.
    files : tuple of str
        The files, as they were given.
    """

    proposals: tuple[Proposal, ...]
    problems: tuple[tuple[str, SafeSerialError], ...] = field(compare=False)
    files: tuple[str, ...] = ()

    @property
    def dangers(self) -> tuple[Proposal, ...]:
        """Names that do harm."""
        return tuple(one for one in self.proposals if one.danger)

    @property
    def allowlist(self) -> Allowlist:
        """Return what is proposed, without the dangers."""
        return Allowlist({one.name: one.grant for one in self.proposals if not one.danger}, {})

    def to_toml(self) -> str:
        """Return a policy file for :meth:`Policy.from_file`, with what each name would permit."""
        lines = [
            "# A proposal: read what each name does, and remove what you do not trust.",
            *(f"# learned from {_plain(one)}" for one in self.files),
        ]
        if not self.proposals:
            lines.append("# The policy lists all names already.")
        module = None
        for one in self.proposals:
            if one.name[0] != module:
                module = one.name[0]
                table = any(p.name[0] == module and not p.danger for p in self.proposals)
                lines += ["", f"[globals.{json.dumps(module)}]" if table else f"# {module}"]
            lines += _lines(one)
        return "\n".join(lines) + "\n"


def danger_of(name: Name) -> str:
    """Return why a name is never proposed, ``""`` where it is.

    Parameters
    ----------
    name : (module, qualname)
        Of a file or of a policy.
    """
    dotted = ".".join(name)
    for known, why in _DANGERS.items():
        if dotted == known or dotted.startswith(f"{known}."):
            return why
    package = dotted.partition(".")[0]
    # A script's own classes say they are of __main__, which is no library.
    stdlib = package in sys.stdlib_module_names and package != "__main__"
    return _STDLIB if stdlib else ""


@keeps_nothing
def learn(paths: Iterable[StrPath], *, policy: Policy | None = None) -> Lesson:
    """Find which names model files need beside those that a policy lists.

    Parameters
    ----------
    paths : iterable of str or path-like
        Signed artifacts, pickle and joblib files whose makers you trust.  Signatures are not
        checked, nothing is executed, and nothing that the files name is imported.
    policy : Policy, optional
        What is listed already.  Default: :meth:`Policy.default`.

    Returns
    -------
    Lesson
        Proposals, and the files that no proposal would admit.

    Raises
    ------
    FormatError
        If a file is damaged or no model.
    UnreadableFileError
        If there is no regular file that can be read.
    """
    base = Policy.default() if policy is None else policy
    needed: dict[Name, Grant] = {}
    problems: list[tuple[str, SafeSerialError]] = []
    files: list[str] = []
    for path in paths:
        files.append(display(path))
        payload = _payload(path, base)
        grants, problem = _learn_one(payload, base)
        needed = dict((Allowlist(needed, {}) | Allowlist(grants, {})).grants)
        if problem is not None:
            emptied(problem)
            problems.append((files[-1], problem))
    proposals = [
        Proposal(name, Grant(_least(grant.roles), grant.rule), sources.describe(name), danger)
        for name, grant in sorted(needed.items())
        for danger in [danger_of(name)]
    ]
    return Lesson(tuple(proposals), tuple(problems), tuple(files))


def _learn_one(payload: Payload, base: Policy) -> tuple[dict[Name, Grant], SafeSerialError | None]:
    """Return the names of one payload with their roles, and what is against it all the same."""
    granted: dict[Name, Grant] = {}
    found = survey(payload, base)
    dangers: set[Name] = set()
    for _ in range(_ROUNDS):
        missing = {one.resolved: one.roles for one in found.globals if not one.allowed}
        dangers |= {name for name in missing if danger_of(name)}
        more = {name: roles for name, roles in missing.items() if name not in dangers}
        granted |= {name: _generous(roles) for name, roles in more.items() if name not in granted}
        if not more and not _with_slots(found, granted):
            break
        found = survey(payload, _extended(base, granted))
    used = {one.resolved: frozenset(one.roles) for one in found.globals if one.resolved in granted}
    exact = {name: Grant(used.get(name, frozenset()), one.rule) for name, one in granted.items()}
    exact = {name: grant for name, grant in exact.items() if grant.roles}
    problem = found.problem
    if problem is None and not dangers:
        problem = _refusal(payload, _extended(base, exact))
    return exact | {name: Grant(frozenset()) for name in dangers}, problem


def _generous(roles: Iterable[str]) -> Grant:
    """Grant what a name may turn out to need: the survey stops following what it does not know."""
    wanted = {"reference", "new", "build", *roles}
    # A class that may be called has arguments of its own, and is made by nothing else.
    return Grant(frozenset(wanted))


def _with_slots(found: Survey, granted: dict[Name, Grant]) -> bool:
    """Give the class whose state was refused the rule for slots, once; say whether one got it."""
    problem = found.problem
    if not isinstance(problem, ForbiddenOperationError) or problem.opcode != "BUILD":
        return False
    for name, grant in granted.items():
        if ".".join(name) == problem.global_name and not grant.rule:
            granted[name] = Grant(grant.roles, "slots")
            return True
    return False


def _extended(base: Policy, grants: dict[Name, Grant]) -> Policy:
    return dataclasses.replace(base, chosen=base.allowlist | Allowlist(grants, {}))


def _refusal(payload: Payload, policy: Policy) -> SafeSerialError | None:
    try:
        admit(payload, policy)
    except SafeSerialError as error:
        return error
    return None


def _least(roles: frozenset[str]) -> frozenset[str]:
    """Leave out what another role implies: what may be made may be stored."""
    return roles - {"reference"} if "new" in roles else roles


def _payload(path: StrPath, policy: Policy) -> Payload:
    with open_regular(path) as source:
        if not sniffing.is_artifact(source):
            return loading.read_legacy(source, policy)
        front = loading.read_envelope(source)
        described = manifests.decode(front.body)
        members = loading.read_payload(source, front, described, None, keep=True)
        return Payload(described.format, described.options, members, signed=False)


def _lines(one: Proposal) -> list[str]:
    module, qualname = one.name
    said = _plain(str(one.description))
    if one.danger:
        return [
            f"# DANGER, not proposed: {module}.{qualname} {_plain(one.danger)}.",
            f"#   found: {said}",
        ]
    fields: dict[str, Any] = {"roles": " ".join(r for r in _ROLES if r in one.grant.roles)}
    if one.grant.rule:
        fields["rule"] = one.grant.rule
    text = ", ".join(f"{key} = {json.dumps(value)}" for key, value in fields.items())
    return [f"# {_permits(one)}", f"# {said}", f"{json.dumps(qualname)} = {{ {text} }}"]


def _permits(one: Proposal) -> str:
    says = {
        "reference": "be stored",
        "new": "be made and stored",
        "call": "be called with what the file says",
        "build": "be given a state that the file says",
    }
    return "may " + ", ".join(says[role] for role in _ROLES if role in one.grant.roles)


def _plain(text: str) -> str:
    """Return text as one line of printable ASCII, for a comment."""
    return "".join(c if " " <= c <= "~" else "?" for c in text)
