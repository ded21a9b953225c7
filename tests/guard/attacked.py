# SPDX-License-Identifier: BSD-3-Clause
"""The process that sends the whole hostile corpus through a guard, and must outlive it.

Prints how many files there were, and those that did not end in one of the project's errors.
"""

import io
import json
import pickle
import resource
import warnings
from pathlib import Path

import joblib

import safeserial as ss
from safeserial.errors import SafeSerialError
from tests.attacks import corpus, worker

DOORS = {
    "pickle.loads": pickle.loads,
    "pickle.load": lambda data: pickle.load(io.BytesIO(data)),
    "joblib.load": lambda data: joblib.load("file.joblib"),
}
# An honest pickle with something behind it: pickle.load and loads read the pickle and no further.
BEHIND = {"bytes behind STOP", "a second pickle", "a ZIP behind nothing"}


def main() -> None:
    warnings.simplefilter("ignore")
    cases = list(corpus.legacy())
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    worker.warm()
    wrong, files = [], set(Path().iterdir())
    with ss.guard():
        # By their names: the guard's functions stand there now.
        doors = {**DOORS, "pickle.loads": pickle.loads}
        for case in cases:
            Path("file.joblib").write_bytes(case.data)
            for name, door in doors.items():
                try:
                    door(case.data)
                    if case.id not in BEHIND or name == "joblib.load":
                        wrong.append([case.id, name, "loaded"])
                except SafeSerialError:
                    continue
                except EOFError:
                    if case.data:
                        wrong.append([case.id, name, "EOFError"])
                except BaseException as error:  # noqa: BLE001 - this is what is looked for
                    wrong.append([case.id, name, repr(error)[:200]])
    Path("file.joblib").unlink()
    wrong += [[str(one), "", "a file"] for one in set(Path().iterdir()) - files]
    print(json.dumps({"files": len(cases), "wrong": wrong}))


if __name__ == "__main__":
    main()
