# SPDX-License-Identifier: BSD-3-Clause
"""``safeserial demo``: a model's journey, and six attacks on it, in a few seconds.

Floor 8.  Every line it prints is checked, not told: the exit code is 0 only if all of it was so.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import click

from safeserial.cli import render
from safeserial.cli.outcome import Misuse

# Runs in a process of its own, as a receiver would: it has the file, the keyring and new data.
_RECEIVER: Final = """
import hashlib, json, pickle, statistics, sys, time
import numpy as np
import safeserial as ss

first, second, plain, keys, data = sys.argv[1:]
ring = ss.Keyring.load(keys)
rows = np.array(json.load(open(data)), dtype=object)

def digest(path):
    model = ss.load(path, keyring=ring)
    return hashlib.sha256(model.predict_proba(rows).tobytes()).hexdigest()

def unchecked():
    with open(plain, "rb") as stream:
        return pickle.load(stream)

def median(load):
    times = []
    for _ in range(15):
        start = time.perf_counter()
        load()
        times.append(time.perf_counter() - start)
    return 1000 * statistics.median(times)

found = [digest(first), digest(second)]
times = [median(lambda: ss.load(first, keyring=ring)), median(unchecked)]
print(json.dumps({"digests": found, "times": times}))
"""


class Story:
    """The lines of the demonstration, each with whether it came true."""

    def __init__(self) -> None:
        self.true = True

    def chapter(self, title: str) -> None:
        """Begin a part."""
        click.echo()
        click.echo(render.paint(title, "strong"))

    def line(self, text: str) -> None:
        """Tell something."""
        click.echo(f"  {render.printable(text)}")

    def claim(self, text: str, *, holds: bool) -> None:
        """Tell something that was checked."""
        self.true = self.true and holds
        mark = render.paint("ok", "good") if holds else render.paint("FAILED", "bad")
        click.echo(f"  {mark}  {render.printable(text)}")


@click.command(short_help="A model's journey and six attacks on it, every line checked.")
@click.option("--keep", metavar="DIR", help="Keep the files in a new or empty folder.")
def demo(keep: str | None) -> int:
    """Train, sign, verify, load and attack a model; exit 0 only if all went as it should."""
    from safeserial.cli import attacks

    story = Story()
    click.echo(
        "safeserial demo: a model is trained, signed, handed over, loaded elsewhere, and attacked."
    )
    with _folder(keep) as folder:
        model, rows = _train(story)
        ring = _make_keys(story, folder)
        _save(story, folder, ring, model)
        _verify(story, folder, ring)
        _hand_over(story, folder, model, rows)
        attacks.run(story, folder, ring)
        _end(story, folder, keep)
    return 0 if story.true else 1


@contextlib.contextmanager
def _folder(keep: str | None) -> Iterator[Path]:
    if keep is None:
        with tempfile.TemporaryDirectory(prefix="safeserial-demo-") as passing:
            yield Path(passing)
        return
    folder = Path(keep)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise Misuse("the folder to keep files in is not empty", hint="give the name of a new one")
    yield folder.resolve()


def _train(story: Story) -> tuple[Any, list[list[Any]]]:
    story.chapter("1. A team trains a model")
    # A thousand rows are not worth a second core, and waiting for a busy one takes seconds.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    import numpy as np
    from sklearn.compose import ColumnTransformer
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    table, target = _customers(np.random.default_rng(2026), 1500)
    numbers = make_pipeline(SimpleImputer(strategy="median"), StandardScaler())
    words = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    columns = ColumnTransformer([("numbers", numbers, [0, 1, 2]), ("words", words, [3, 4])])
    booster = HistGradientBoostingClassifier(max_iter=80, random_state=0)
    model = make_pipeline(columns, booster).fit(table[:1000], target[:1000])
    score = model.score(table[1000:], target[1000:])
    story.line("1,000 customers: age, income (some missing), years; region and plan as words")
    story.line("impute → scale | one-hot → gradient boosting: who will leave?")
    story.claim(f"right on {score:.0%} of 500 customers it has not seen", holds=score > 0.8)  # noqa: PLR2004
    return model, table[1000:].tolist()


def _customers(random: Any, count: int) -> tuple[Any, Any]:
    import numpy as np

    age = random.integers(18, 80, count).astype(float)
    income = random.lognormal(10.5, 0.5, count)
    income[random.random(count) < 0.1] = np.nan  # noqa: PLR2004
    years = random.exponential(4.0, count)
    region = random.choice(["north", "south", "east", "west"], count)
    plan = random.choice(["basic", "family", "business"], count, p=[0.5, 0.3, 0.2])
    risk = 1.5 * (plan == "basic") - 0.5 * years + 0.8 * (region == "south") + 0.02 * (60 - age)
    table = np.empty((count, 5), dtype=object)
    for position, column in enumerate((age, income, years, region, plan)):
        table[:, position] = column.tolist()
    return table, np.where(risk + random.normal(0, 0.3, count) > 0, "leaves", "stays")


def _make_keys(story: Story, folder: Path) -> Any:
    from safeserial.keyring import Keyring
    from safeserial.keys import HmacKey

    story.chapter("2. It has a key")
    place = folder / "team.keys"
    Keyring([HmacKey.generate()]).save(place)
    ring = Keyring.load(place)
    story.line(f"{place.name}: {ring.active.key_id}")
    story.claim("only its owner can read the file", holds=place.stat().st_mode & 0o077 == 0)
    return ring


def _save(story: Story, folder: Path, ring: Any, model: Any) -> None:
    from safeserial.artifact import exporting, saving

    story.chapter("3. It saves and signs the model")
    words: dict[str, Any] = {"name": "churn", "version": "1.0", "metadata": {"team": "risk"}}
    first, second = folder / "churn.safeserial", folder / "churn-joblib.safeserial"
    saving.dump(model, first, keyring=ring, **words)
    saving.dump(model, second, keyring=ring, format="joblib", compression="zlib", **words)
    plain = folder / "churn.pkl"
    exporting.unpack(first, plain, keyring=ring)
    for path, what in (
        (first, "pickle, arrays beside the stream"),
        (second, "joblib, zlib"),
        (plain, "for comparison: unpacked to plain pickle, unsigned"),
    ):
        story.line(f"{path.name:<24} {render.bytes_text(path.stat().st_size):>9}   {what}")


def _verify(story: Story, folder: Path, ring: Any) -> None:
    from safeserial.artifact import loading
    from safeserial.inspection import inspecting

    story.chapter("4. Whoever receives it verifies it before anything is opened")
    verified = loading.verify(folder / "churn.safeserial", keyring=ring)
    signers = [one.key_id for one in verified.signers]
    story.claim(f"signed by {', '.join(signers)}", holds=signers == [ring.active.key_id])
    story.line(f"artifact id {verified.artifact_id}")
    story.line(f"{verified.manifest.model.class_name}, made {verified.manifest.created}")
    report = inspecting.inspect(folder / "churn.safeserial", keyring=ring)
    count = len(verified.manifest.globals)
    story.claim(
        f"its {count} globals are all on the shipped allowlist: {report.verdict}",
        holds=report.verdict == "safe",
    )


def _hand_over(story: Story, folder: Path, model: Any, rows: list[list[Any]]) -> None:
    import numpy as np

    story.chapter("5. It is loaded in another process")
    data = folder / "customers.json"
    data.write_text(json.dumps(rows), "utf-8")
    names = ("churn.safeserial", "churn-joblib.safeserial", "churn.pkl", "team.keys")
    paths = [str(folder / name) for name in names]
    done = subprocess.run(  # noqa: S603 - our own interpreter and script
        [sys.executable, "-c", _RECEIVER, *paths, str(data)],
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
    )
    if done.returncode:
        last = done.stderr.strip().rpartition("\n")[2]
        story.claim(f"the other process failed: {last}", holds=False)
        return
    answer = json.loads(done.stdout)
    proba = model.predict_proba(np.array(rows, dtype=object))
    expected = hashlib.sha256(proba.tobytes()).hexdigest()
    for name, digest in zip(names[:2], answer["digests"], strict=True):
        story.claim(
            f"{name:<24} {len(rows)} predictions equal, bit for bit", holds=digest == expected
        )
    checked, unchecked = answer["times"]
    story.line(
        f"verified load {checked:.1f} ms, plain pickle.load {unchecked:.1f} ms (median of 15)"
    )


def _end(story: Story, folder: Path, keep: str | None) -> None:
    click.echo()
    if keep is not None:
        story.line(f"the files are in {folder}; team.keys there is a secret")
    story.claim(
        "everything above was checked, and was so" if story.true else "not everything was so",
        holds=story.true,
    )
