# SPDX-License-Identifier: BSD-3-Clause
"""Policy: what a loader accepts; immutable, and combined into new ones, never switched off.

Floor 3.  The allowlists are data (``allowlists/*.toml``): exact pairs of module and qualified name,
each with the roles it may play in a stream.  Format of those files: docs/reference/policy-file.md.
"""

from __future__ import annotations

import dataclasses
import functools
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, get_args

from safeserial import signer_rules
from safeserial.errors import PolicyError
from safeserial.files import StrPath, display, read_small
from safeserial.signer_rules import DEFAULT_RULES, SignerRule

Name = tuple[str, str]
EnvironmentRule = Literal["ignore", "warn", "refuse"]
ParserRule = Literal["check", "forbid"]
ROLES: Final = frozenset({"reference", "new", "call", "build"})
FORMATS: Final = ("pickle", "joblib", "skops", "onnx")
_MAX_POLICY_BYTES: Final = 4 * 2**20
_MAX_INTEGER: Final = 2**63  # TOML promises no more, and Python does not print any number
# tomllib takes time and memory that grow with the square of the parts of a dotted key.
_MAX_KEY_PARTS: Final = 8
_SEE: Final = "what a policy file says is in docs/reference/policy-file.md"
_KEY_PART: Final = re.compile(r"""[A-Za-z0-9_-]++|"(?:[^"\\\n]|\\[^\n])*+"?|'[^'\n]*+'?""")
# Strings of more lines and comments, whose dots are none of a key; then what may be a key.
_TOML_TOKEN: Final = re.compile(
    r'"""(?:[^"\\]|\\[\s\S]|"(?!""))*+(?:"{3,5})?+'
    r"|'''(?:[^']|'(?!''))*+(?:'{3,5})?+"
    r"|#[^\n]*+"
    rf"|(?P<key>(?:{_KEY_PART.pattern})(?:[ \t]*+\.[ \t]*+(?:{_KEY_PART.pattern}))*+)"
)


@dataclass(frozen=True)
class Grant:
    """What one global may be used for.

    Parameters
    ----------
    roles : frozenset of str
        Of ``reference`` (may be stored), ``new`` (``cls.__new__``), ``call`` (by REDUCE) and
        ``build`` (``__setstate__`` or attributes on an instance).  ``new`` implies that it
        may be stored; ``call`` does not.
    rule : str
        Name of the rule for its arguments or state, ``""`` for the plain one.
    """

    roles: frozenset[str]
    rule: str = ""


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Bounds on what a file may cost before and while it is loaded.

    Parameters
    ----------
    file_size : int, default=2**40
        Bytes of a file that is read.
    decompressed_size : int, default=2**36
        Bytes after decompression.
    decompression_ratio : int, default=1100
        Largest ratio of decompressed to compressed size, beside 16 MiB that are always allowed;
        deflate cannot exceed 1032, which an honest array of zeros comes near.
    opcodes : int, default=2**30
        Opcodes of a stream.
    memo_entries : int, default=2**26
        Entries of the unpickler's memo.
    stack_depth : int, default=1_000_000
        Values on the stack at one time.
    nesting : int, default=1000
        Marks open at one time, and levels of tuples.
    hard_keys : int, default=200_000
        Dict keys and set members that are neither strings nor small integers.
    inflation : int, default=2**28
        Bytes that a stream may make the unpickler allocate beyond what it itself is long.
    """

    file_size: int = 2**40
    decompressed_size: int = 2**36
    decompression_ratio: int = 1100
    opcodes: int = 2**30
    memo_entries: int = 2**26
    stack_depth: int = 1_000_000
    nesting: int = 1000
    hard_keys: int = 200_000
    inflation: int = 2**28


@dataclass(frozen=True)
class Allowlist:
    """Exact names with their grants, and where old names have moved.

    Parameters
    ----------
    grants : mapping of (module, qualname) to Grant
        The names, as today's libraries spell them.
    renames : mapping of (module, qualname) to (module, qualname)
        Names of older library versions; the qualname ``*`` stands for any name of the module.
    dotted : frozenset of str
        Full dotted names that the user trusts, for any split into module and qualname.
    answers : dict
        What the opcode verifier found of listed names so far; there are never more than names.
    """

    grants: Mapping[Name, Grant]
    renames: Mapping[Name, Name]
    dotted: frozenset[str] = frozenset()
    answers: dict[Name, tuple[Name, Grant]] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    def resolve(self, module: str, qualname: str) -> Name:
        """Return today's name for one that a stream gives."""
        exact = self.renames.get((module, qualname))
        if exact is not None:
            return exact
        moved = self.renames.get((module, "*"))
        return (moved[0], qualname) if moved is not None else (module, qualname)

    def find(self, name: Name) -> Grant | None:
        """Return the grant of a resolved name, None where it is not on the list."""
        grant = self.grants.get(name)
        if grant is None and self.dotted and f"{name[0]}.{name[1]}" in self.dotted:
            # Spelled with another split, a listed name would shed the rule that comes with it.
            return None if any(other in self.grants for other in splits(name)) else Grant(ROLES)
        return grant

    def __or__(self, other: Allowlist) -> Allowlist:
        """Return the union; a name in both has the roles of both and the rule of the left one."""
        grants = dict(self.grants)
        for name, grant in other.grants.items():
            mine = grants.get(name)
            roles = grant.roles if mine is None else mine.roles | grant.roles
            grants[name] = Grant(roles, grant.rule if mine is None else mine.rule)
        return Allowlist(grants, {**other.renames, **self.renames}, self.dotted | other.dotted)


def splits(name: Name) -> list[Name]:
    """Return all ways to split the dotted form of a name into module and qualname."""
    parts = f"{name[0]}.{name[1]}".split(".")
    return [(".".join(parts[:i]), ".".join(parts[i:])) for i in range(1, len(parts))]


def parse_allowlist(document: Mapping[str, Any], where: str) -> Allowlist:
    """Read the ``[globals]`` and ``[renames]`` tables of a policy file.

    Parameters
    ----------
    document : mapping
        A parsed TOML document.
    where : str
        Its name, for error messages.

    Returns
    -------
    Allowlist
        Its names.

    Raises
    ------
    PolicyError
        If an entry has another shape or names an unknown role.
    """
    grants: dict[Name, Grant] = {}
    tables = document.get("globals", {})
    renames = document.get("renames", {})
    if not isinstance(tables, dict) or not isinstance(renames, dict):
        raise PolicyError(f"{where}: globals and renames are tables")
    for module, names in tables.items():
        if not isinstance(names, dict):
            raise PolicyError(f"{where}: [globals.{module!r}] is a table of names")
        for qualname, entry in names.items():
            grants[module, qualname] = _grant(entry, f"{where}: {module}.{qualname}")
    moved: dict[Name, Name] = {}
    for old, new in renames.items():
        if not isinstance(new, str) or (":" in old) != (":" in new):
            raise PolicyError(f"{where}: a rename is 'module' or 'module:name' on both sides")
        moved[_split(old)] = _split(new)
    return Allowlist(grants, moved)


def _grant(entry: object, where: str) -> Grant:
    fields = {"roles": entry} if isinstance(entry, str) else entry
    if not isinstance(fields, dict) or set(fields) - {"roles", "rule", "reason"}:
        raise PolicyError(f"{where}: give roles, and where needed a rule and a reason")
    roles = fields.get("roles")
    if not isinstance(roles, str) or not roles.split() or set(roles.split()) - ROLES:
        raise PolicyError(f"{where}: roles are words of {', '.join(sorted(ROLES))}")
    rule = fields.get("rule", "")
    if not isinstance(rule, str):
        raise PolicyError(f"{where}: a rule is the name of one", hint=_SEE)
    return Grant(frozenset(roles.split()), rule)


def _split(text: str) -> Name:
    module, _, qualname = text.partition(":")
    return module, qualname or "*"


@functools.cache
def _shipped() -> Allowlist:
    import importlib.resources
    import tomllib

    union = Allowlist({}, {})
    folder = importlib.resources.files("safeserial") / "allowlists"
    for file in sorted(folder.iterdir(), key=lambda entry: entry.name):
        if file.name.endswith(".toml"):
            union |= parse_allowlist(tomllib.loads(file.read_text("utf-8")), file.name)
    return union


@dataclass(frozen=True, kw_only=True)
class Policy:
    """What a loader accepts.

    Parameters
    ----------
    allowlist : Allowlist, optional
        Default: the names shipped with safeserial, see :meth:`default`.
    limits : Limits
        Bounds on size and work.
    environment : {"warn", "refuse", "ignore"}, default="warn"
        What to do when library versions differ from those the model was saved under.
    formats : tuple of str
        Payload formats that may be decoded.
    native_parsers : {"check", "forbid"}, default="check"
        What to do with boosters of LightGBM, XGBoost and CatBoost, whose bytes C++ code reads:
        check those of unsigned files first, or refuse them in all files.
    signers : tuple of SignerRule
        Whose signatures a model needs, by its name; never empty.  Default: one signature that
        counts, whatever the name.

    Examples
    --------
    >>> from safeserial import Policy
    >>> strict = Policy.default().with_environment("refuse").trusting(["mypackage.steps.Cleaner"])
    >>> strict.environment
    'refuse'
    """

    chosen: Allowlist | None = None
    limits: Limits = Limits()
    environment: EnvironmentRule = "warn"
    formats: tuple[str, ...] = FORMATS
    native_parsers: ParserRule = "check"
    signers: tuple[SignerRule, ...] = DEFAULT_RULES

    def __post_init__(self) -> None:
        object.__setattr__(self, "signers", signer_rules.checked(self.signers))

    @property
    def allowlist(self) -> Allowlist:
        """The names; the shipped lists are read on first use."""
        return _shipped() if self.chosen is None else self.chosen

    @classmethod
    def default(cls) -> Policy:
        """Return the policy of safeserial: its audited allowlists, generous limits, a warning."""
        return cls()

    @classmethod
    def from_file(cls, path: StrPath) -> Policy:
        """Return the default policy extended by a TOML file.

        Parameters
        ----------
        path : str or path-like
            See docs/reference/policy-file.md.

        Returns
        -------
        Policy
            The default's names and the file's, the file's limits and rules.

        Raises
        ------
        PolicyError
            If the file is not such a TOML document.
        UnreadableFileError
            If it cannot be read.
        """
        where = display(path)
        document = _read_toml(read_small(path, limit=_MAX_POLICY_BYTES), where)
        known = {
            "globals", "renames", "limits", "environment", "formats", "native_parsers", "signers",
        }  # fmt: skip
        if unknown := set(document) - known:
            raise PolicyError(f"{where}: unknown entry {min(unknown)!r}")
        policy = cls(chosen=_shipped() | parse_allowlist(document, where))
        if "limits" in document:
            policy = policy.with_limits(**_table(document["limits"], where))
        if "environment" in document:
            policy = policy.with_environment(document["environment"])
        if "formats" in document:
            policy = policy.with_formats(document["formats"])
        if "native_parsers" in document:
            policy = policy.with_native_parsers(document["native_parsers"])
        if "signers" in document:
            policy = policy.with_signers(signer_rules.parse(document["signers"], where))
        return policy

    def trusting(self, names: Iterable[str]) -> Policy:
        """Return this policy with more names.

        Parameters
        ----------
        names : iterable of str
            Full dotted names.  Whatever these do when called or given a state, they may do.

        Raises
        ------
        PolicyError
            If `names` is a single string, a boolean, or holds something that is not a name.
        """
        if isinstance(names, str | bytes | bool) or not isinstance(names, Iterable):
            raise PolicyError(
                "trusted is a list of dotted names",
                hint="trusted=['package.module.Class']; there is no way to trust everything",
            )
        listed = [_dotted(name) for name in names]
        if not listed:
            return self
        mine = self.allowlist
        more = Allowlist(mine.grants, mine.renames, mine.dotted | frozenset(listed))
        return dataclasses.replace(self, chosen=more)

    def with_limits(self, **limits: int) -> Policy:
        """Return this policy with other limits (see :class:`Limits`).

        Raises
        ------
        PolicyError
            If a limit is unknown or not a positive integer.
        """
        known = {one.name for one in dataclasses.fields(Limits)}
        for name, value in limits.items():
            if name not in known or type(value) is not int or value <= 0:
                raise PolicyError(f"no such limit: {name!r}={value!r}"[:200])
        return dataclasses.replace(self, limits=dataclasses.replace(self.limits, **limits))

    def with_environment(self, rule: EnvironmentRule) -> Policy:
        """Return this policy with another rule for differing library versions.

        Raises
        ------
        PolicyError
            If the rule is not one of ``ignore``, ``warn``, ``refuse``.
        """
        if rule not in get_args(EnvironmentRule):
            raise PolicyError(f"environment is one of ignore, warn, refuse; not {rule!r}"[:200])
        return dataclasses.replace(self, environment=rule)

    def with_formats(self, formats: Iterable[str]) -> Policy:
        """Return this policy accepting only these payload formats.

        Raises
        ------
        PolicyError
            If there is none, or one has no name.
        """
        given: object = formats
        listed: tuple[object, ...] = ()
        if isinstance(given, Iterable) and not isinstance(given, str | Mapping):
            listed = tuple(given)
        names = tuple(one for one in listed if isinstance(one, str) and one)
        if not names or len(names) != len(listed):
            raise PolicyError(
                "formats is a list of names", hint="for instance ['pickle', 'joblib']"
            )
        return dataclasses.replace(self, formats=names)

    def with_native_parsers(self, rule: ParserRule) -> Policy:
        """Return this policy with another rule for what native parsers read.

        Raises
        ------
        PolicyError
            If the rule is not one of ``check``, ``forbid``.
        """
        if rule not in get_args(ParserRule):
            raise PolicyError(f"native_parsers is one of check, forbid; not {rule!r}"[:200])
        return dataclasses.replace(self, native_parsers=rule)

    def with_signers(self, rules: Iterable[SignerRule]) -> Policy:
        """Return this policy with these rules on signers, and no others.

        Raises
        ------
        PolicyError
            If there is none: an empty set would say of everything that it is enough.
        """
        return dataclasses.replace(self, signers=signer_rules.checked(rules))

    def __or__(self, other: Policy) -> Policy:
        """Return a policy that allows the names of both, with the limits and rules of the left.

        The rules on signers of both hold, so that none is lost.
        """
        return dataclasses.replace(
            self,
            chosen=self.allowlist | other.allowlist,
            signers=signer_rules.joined(self.signers, other.signers),
        )


def _dotted(name: object) -> str:
    parts = name.split(".") if isinstance(name, str) else []
    if len(parts) < 2 or not all(part.isidentifier() for part in parts):  # noqa: PLR2004
        raise PolicyError(f"not a dotted name: {str(name)[:120]!r}")
    return ".".join(parts)


def _table(value: object, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise PolicyError(f"{where}: limits is a table", hint=_SEE)
    known = {one.name for one in dataclasses.fields(Limits)}
    if unknown := value.keys() - known:
        raise PolicyError(f"{where}: no such limit: {min(unknown)!r}"[:200], hint=_SEE)
    return value


def _read_toml(data: bytes, where: str) -> dict[str, Any]:
    """Read a small TOML document that may be hostile."""
    import tomllib

    try:
        text = data.decode("utf-8")
        _check_keys(text)
        document = tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # a plain one, of a number too long to read
        raise PolicyError(f"{where} is not TOML: {error}"[:400], hint=_SEE) from None
    left: list[Any] = [document]
    while left:
        value = left.pop()
        if isinstance(value, dict):
            left.extend(value.values())
        elif isinstance(value, list):
            left.extend(value)
        elif isinstance(value, int) and not -_MAX_INTEGER <= value < _MAX_INTEGER:
            raise PolicyError(f"{where}: a number is too large", hint=_SEE)
    return document


def _check_keys(text: str) -> None:
    """Refuse keys of many parts before they are parsed."""
    for found in _TOML_TOKEN.finditer(text):
        key = found["key"]
        if key and key.count(".") >= _MAX_KEY_PARTS:
            parts = sum(1 for _ in _KEY_PART.finditer(key))
            if parts > _MAX_KEY_PARTS:
                line = text.count("\n", 0, found.start()) + 1
                raise ValueError(f"a key of {parts} parts (at line {line})")
