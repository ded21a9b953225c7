# SPDX-License-Identifier: BSD-3-Clause
"""Random damage: load and use altered copies of honest files, in worker processes.

Run as a program: ``python mutate.py SEED COUNT [FORMAT...]`` prints a line of JSON for each format
that counts how far the copies came, and names those that ended the process, were still busy after
a while, or met an error that is not the project's.  A copy is made from the seed, its format and
its number alone, so that each can be made again: ``python mutate.py SEED NUMBER FORMAT FILE``
writes it to a file.
"""

from __future__ import annotations

import io
import json
import os
import pickle
import random
import resource
import signal
import sys
import tempfile
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import joblib
import numpy as np

import safeserial as ss
from safeserial.artifact.loading import build
from safeserial.errors import InvalidStateError, LimitExceededError, SafeSerialError
from safeserial.payload import Payload
from safeserial.policy import Policy
from safeserial.validators import validate
from tests import world
from tests.attacks.packing import COMPRESSORS
from tests.validators.everything import make_all
from tests.validators.parts import Whole, replaced
from tests.validators.subjects import MODELS

METHODS = (
    "predict predict_proba decision_function transform decision_path apply kneighbors toarray"
    " tocsc tocsr tocoo score_samples random_sample random query __call__ describe reset_index"
    " sort_values to_numpy filled __repr__ copy sum".split()
)
MEMORY, SECONDS, PATIENCE = 3 * 2**30, 10, 120
LOADED, REFUSED, USED, ODD = b"L", b"R", b"U", b"O"
BLOCK = 100
EVERYTHING = "parts of everything"  # that takes a minute to make
SHARED = "/dev/shm" if Path("/dev/shm").is_dir() else None

Files = dict[str, tuple[Any, Any]]
Damage = Callable[[Any, random.Random], Any]


def damaged(data: bytes, dice: random.Random) -> bytes:
    """Return a copy with one to three bytes or a whole number replaced, or one off by one."""
    changed = bytearray(data)
    if dice.random() < 0.3 and len(data) > 11:
        number = dice.choice([-1, -2, 2**31 - 1, 2**31, 2**40, 10**6, 7])
        at = dice.randrange(2, len(data) - 9)
        changed[at : at + 8] = number.to_bytes(8, "little", signed=True)
        return bytes(changed)
    if dice.random() < 0.2:
        at = dice.randrange(min(2, len(data) - 1), len(data))
        changed[at] = (changed[at] + dice.choice((-1, 1))) % 256
        return bytes(changed)
    for _ in range(dice.randint(1, 3)):
        changed[dice.randrange(min(2, len(data) - 1), len(data))] = dice.randrange(256)
    return bytes(changed)


def _pickled(protocol: int) -> Callable[[Any], bytes]:
    return lambda model: pickle.dumps(model, protocol)


def _joblib(model: Any) -> bytes:
    file = io.BytesIO()
    joblib.dump(model, file)
    return file.getvalue()


def _members(model: Any) -> dict[str, bytes]:
    return world.Parts.of(world.artifact(model)).members


def _damaged_inside(data: bytes, dice: random.Random) -> bytes:
    """Damage what is compressed, or now and then the compressed file itself."""
    packed = COMPRESSORS[dice.choice(sorted(COMPRESSORS))]
    if dice.random() < 0.1:
        return damaged(packed(data), dice)
    return packed(damaged(data, dice))


def _damaged_member(members: dict[str, bytes], dice: random.Random) -> dict[str, bytes]:
    chosen = dice.choice(sorted(path for path, data in members.items() if data))
    return {**members, chosen: damaged(members[chosen], dice)}


def _load_file(data: bytes, path: str) -> Any:
    Path(path).write_bytes(data)
    return ss.load_unsigned(path)


def _load_members(members: dict[str, bytes], path: str) -> Any:
    del path
    views = {name: memoryview(bytearray(data)) for name, data in members.items()}
    return build(Payload("pickle", {}, views, signed=False), Policy.default())


def _load_plainly(data: bytes, path: str) -> Any:
    """Load what the opcode verifier might refuse, so that the validators meet it."""
    del path
    try:
        model = pickle.loads(data)
    except Exception as error:
        raise InvalidStateError("damaged beyond loading") from error
    try:
        validate(model)
    except (InvalidStateError, LimitExceededError) as error:
        # Whatever else it raises is a fault.
        raise InvalidStateError("refused") from error
    return model


FORMATS: dict[str, tuple[Callable[[Any], Any], Damage, Callable[[Any, str], Any]]] = {
    **{f"pickle {n}": (_pickled(n), damaged, _load_file) for n in (2, 3, 4, 5)},
    "joblib": (_joblib, damaged, _load_file),
    "joblib, compressed": (_joblib, _damaged_inside, _load_file),
    "payload": (_members, _damaged_member, _load_members),
    "validators alone": (_pickled(4), damaged, _load_plainly),
    "parts": (Whole, replaced, _load_file),
    EVERYTHING: (Whole, replaced, _load_file),
}


def make_files(form: str) -> Files:
    """Return honest models in one format, by name, with the rows to use them on."""
    encode, _, _ = FORMATS[form]
    np.random.seed(0)  # noqa: NPY002 - the one that estimators without a seed take
    if form == EVERYTHING:
        made = make_all(os.environ.get("SAFESERIAL_SUBJECTS", ""))
    else:
        made = {name: make() for name, make in MODELS.items()}
    return {name: (encode(model), rows) for name, (model, rows) in made.items()}


def make_copy(files: Files, form: str, seed: int, number: int) -> tuple[str, Any]:
    """Return the name of a model and its damaged copy."""
    dice = random.Random(f"{seed}/{form}/{number}")
    name = dice.choice(sorted(files))
    return name, FORMATS[form][1](files[name][0], dice)


def use(model: Any, data: Any) -> None:
    """Call whatever the model has; Python's exceptions are no matter."""
    for name in METHODS:
        try:
            method = getattr(model, name)
            method() if data is None or name in {"__repr__", "copy"} else method(data)
        except Exception:  # noqa: BLE001 - only signals count
            continue


def worker(files: Files, form: str, seed: int, numbers: range, pipe: int) -> None:
    """Load and use copies; tell through the pipe how far each went."""
    # The libraries of all models take as much for themselves, of addresses.
    held = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (held + MEMORY, held + MEMORY))
    load = FORMATS[form][2]
    with tempfile.TemporaryDirectory(dir=SHARED) as at:
        for number in numbers:
            name, data = make_copy(files, form, seed, number)
            signal.setitimer(signal.ITIMER_PROF, SECONDS)
            signal.alarm(PATIENCE)
            try:
                model = load(data, f"{at}/file")
            except SafeSerialError as error:
                os.write(pipe, REFUSED if error.hint and str(error) else ODD)
            except BaseException as error:  # noqa: BLE001 - this is what is looked for
                os.write(pipe, ODD)
                print(form, number, name, type(error), str(error)[:200], file=sys.stderr)
            else:
                os.write(pipe, LOADED)
                with joblib.parallel_config(backend="sequential"):
                    use(model, files[name][1])
                os.write(pipe, USED)


def trial(files: Files, form: str, seed: int, numbers: range) -> tuple[str, int]:
    """Run a worker in a fork; return what it told, and the signal or status of its end."""
    reading, writing = os.pipe()
    process = os.fork()
    if process == 0:
        status = 3
        try:
            os.close(reading)
            worker(files, form, seed, numbers, writing)
            status = 0
        finally:
            os._exit(status)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        told = pipe.read().decode()
    _, status = os.waitpid(process, 0)
    return told, os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)


def run(form: str, seed: int, count: int) -> Iterator[tuple[int, str, int]]:
    """Yield the number of each copy, how far it came, and what ended its process."""
    files = make_files(form)
    start = 0
    while start < count:
        numbers = range(start, min(start + BLOCK, count))
        told, ended = trial(files, form, seed, numbers)
        came = [one for one in told.replace("LU", "l") if one != "\n"]
        done = [one for one in came if one != "L"]
        for offset, one in enumerate(done):
            yield start + offset, {"l": "LU"}.get(one, one), 0
        start += len(done)
        if start < numbers.stop:
            # Alone it may do no harm: then a copy before it did.
            alone, again = trial(files, form, seed, range(start, start + 1))
            yield start, "L" if came[-1:] == ["L"] else alone, again or ended
            start += 1


def main(seed: int, count: int, forms: list[str]) -> None:
    """Damage `count` copies in each format and print the tallies."""
    warnings.simplefilter("ignore")
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    for form in forms or FORMATS:
        stages: Counter[str] = Counter()
        died, odd = [], []
        for number, came, ended in run(form, seed, count):
            stages[came] += 1
            if ended:
                died.append([number, came, ended])
            elif came == "O":
                odd.append(number)
        found = {"format": form, "seed": seed, "stages": stages, "died": died, "odd": odd}
        print(json.dumps(found), flush=True)


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    if len(sys.argv) == 5 and sys.argv[3] in FORMATS and sys.argv[4] not in FORMATS:
        chosen, at = sys.argv[3], int(sys.argv[2])
        which, copy = make_copy(make_files(chosen), chosen, int(sys.argv[1]), at)
        Path(sys.argv[4]).write_bytes(copy if isinstance(copy, bytes) else pickle.dumps(copy))
        print(which)
    else:
        main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:])
