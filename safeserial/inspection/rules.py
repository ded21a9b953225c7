# SPDX-License-Identifier: BSD-3-Clause
"""The rules of inspection: one stable id for each kind of finding, as SARIF and people need them.

Floor 7.  An id is never given to another rule, and never reused.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

Level = Literal["note", "warning", "error"]


@dataclass(frozen=True)
class Rule:
    """One kind of finding.

    Parameters
    ----------
    id : str
        ``SS`` and three digits.
    name : str
        The same in words with hyphens.
    level : {"note", "warning", "error"}
        How much it weighs unless a finding says otherwise.
    short : str
        One sentence.
    help : str
        What to do about it.
    """

    id: str
    name: str
    level: Level
    short: str
    help: str


_ALL: Final = (
    Rule(
        "SS001",
        "untrusted-name",
        "warning",
        "The file names something that the policy does not list.",
        "Read what the name does. If you trust its code, pass it in trusted= or write it into a "
        "policy file; otherwise do not load the file.",
    ),
    Rule(
        "SS002",
        "known-danger",
        "error",
        "The file names a function or class that is known to do harm when it is loaded.",
        "Do not load the file, and do not put the name on any list. No honest model needs it.",
    ),
    Rule(
        "SS003",
        "forbidden-operation",
        "error",
        "The file does what no honest model does, whatever it names.",
        "Treat the file as hostile. If you wrote it yourself, report it as a bug of safeserial.",
    ),
    Rule(
        "SS004",
        "refused-signature",
        "error",
        "The signature of the artifact is refused.",
        "Ask whoever sent it for the file again, and over another way for the key.",
    ),
    Rule(
        "SS005",
        "polyglot",
        "error",
        "The file is of two kinds at once: another program would see another content.",
        "Treat the file as hostile: this does not happen by accident.",
    ),
    Rule(
        "SS006",
        "damaged",
        "warning",
        "The content is damaged, cut short or not as its format demands, and cannot be judged.",
        "Fetch or copy the file again.",
    ),
    Rule(
        "SS007",
        "over-a-limit",
        "warning",
        "The content is larger or deeper than the policy or the inspection allows.",
        "Raise the limit in the policy if you know why the file is so large.",
    ),
    Rule(
        "SS008",
        "several-pickles",
        "warning",
        "Several pickles follow one another in one file.",
        "A loader reads the first and ignores the rest; find out why the others are there.",
    ),
    Rule(
        "SS009",
        "other-files",
        "note",
        "The model is spread over several files, of which this is one.",
        "Inspect the other files too; the model loads only with all of them.",
    ),
    Rule(
        "SS010",
        "path-escape",
        "error",
        "A path inside the file leads out of the folder that it is unpacked in.",
        "Do not unpack the file.",
    ),
    Rule(
        "SS011",
        "bomb",
        "error",
        "A small file declares or holds far more than an honest one would.",
        "Do not load or unpack the file: it would fill the memory or the disk.",
    ),
    Rule(
        "SS012",
        "ambiguous-archive",
        "error",
        "Two programs could read different members from this archive.",
        "Treat the file as hostile: repeated names and overlapping members are not written by "
        "any archiver.",
    ),
    Rule(
        "SS013",
        "rebuilds-a-function",
        "warning",
        "A node of a skops file makes a function, a method or an operator instead of data.",
        "Look at which one it is before you trust the file.",
    ),
    Rule(
        "SS014",
        "unknown-node",
        "error",
        "A node of a skops file is of no kind that skops writes, or stands for something else "
        "than it says.",
        "Treat the file as hostile.",
    ),
    Rule(
        "SS015",
        "custom-operators",
        "warning",
        "An ONNX model needs operators that are not part of ONNX.",
        "Running it needs a shared library with code of its own. Find out whose.",
    ),
    Rule(
        "SS016",
        "external-data",
        "note",
        "A model keeps its numbers in other files, which are read when it is loaded.",
        "Check that the paths stay in the model's own folder.",
    ),
    Rule(
        "SS017",
        "contains-code",
        "error",
        "The file contains program code, not only data.",
        "Read the code before you load the file; loading or using the model runs it.",
    ),
    Rule(
        "SS018",
        "scripted-model",
        "warning",
        "The file is a TorchScript program: a model that is code.",
        "TorchScript runs in an interpreter of its own, which is not a sandbox. Trust its author.",
    ),
    Rule(
        "SS019",
        "load-weights-only",
        "note",
        "The file holds PyTorch tensors in a pickle.",
        "Load it with torch.load(path, weights_only=True), or ask for safetensors.",
    ),
    Rule(
        "SS020",
        "custom-layers",
        "warning",
        "A Keras model names classes or functions that are not part of Keras.",
        "Keras imports them when it loads the model: load it with safe_mode=True only.",
    ),
    Rule(
        "SS021",
        "not-parsed",
        "warning",
        "The format is recognised, but what is inside is not looked at.",
        "Use the format's own tools, or ask for the model in another format.",
    ),
    Rule(
        "SS022",
        "object-array",
        "warning",
        "A NumPy file holds an array of Python objects, which is a pickle.",
        "numpy.load refuses it without allow_pickle=True; what the pickle names is listed.",
    ),
    Rule(
        "SS023",
        "hidden-data",
        "warning",
        "There are bytes in the file that its format does not account for.",
        "Harmless padding is zeros; anything else was put there on purpose.",
    ),
    Rule(
        "SS024",
        "not-a-model",
        "note",
        "The file is no model.",
        "Check what was fetched or copied.",
    ),
    Rule(
        "SS025",
        "template",
        "note",
        "The file holds a chat template: a small program in the Jinja language.",
        "Programs that render it outside of a sandbox can be taken over; update yours.",
    ),
    Rule(
        "SS026",
        "old-format",
        "note",
        "The file was written by a version so old that today's libraries may not read it.",
        "Load it where it was made, with the versions of that time, and save it again.",
    ),
    Rule(
        "SS027",
        "unsure-content",
        "warning",
        "A member could not be read, for instance because it is encrypted.",
        "Unpack it yourself and inspect what comes out.",
    ),
)
RULES: Final[dict[str, Rule]] = {rule.id: rule for rule in _ALL}
