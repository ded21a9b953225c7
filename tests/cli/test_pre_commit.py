# SPDX-License-Identifier: BSD-3-Clause
"""The hook for pre-commit: it sees model files, stops hostile ones, and lets the rest through."""

import os
import pickle
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
MANIFEST = ROOT / ".pre-commit-hooks.yaml"
BIN = Path(sys.executable).parent


def sh(*command, cwd, timeout=120):
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("GIT_")},
        "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
        "PRE_COMMIT_HOME": str(cwd.parent / "pre-commit"),
        "GIT_AUTHOR_NAME": "a",
        "GIT_AUTHOR_EMAIL": "a@example.com",
        "GIT_COMMITTER_NAME": "a",
        "GIT_COMMITTER_EMAIL": "a@example.com",
    }
    done = subprocess.run(
        list(map(str, command)),
        cwd=cwd,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=timeout,
        check=False,
    )
    return done.returncode, done.stdout.decode()


@pytest.fixture
def repository(clean):
    """A git repository with an honest model, a document, and nothing else yet."""
    where = clean / "project"
    (where / "models").mkdir(parents=True)
    assert sh("git", "init", "-q", cwd=where)[0] == 0
    (where / "models" / "honest.pkl").write_bytes(pickle.dumps([1, 2]))
    (where / "README.md").write_text("# project\n")
    return where


@pytest.fixture
def as_installed(repository):
    """The hook as pre-commit would have it, run from this environment instead of one of its own."""
    (hook,) = yaml.safe_load(MANIFEST.read_text("utf-8"))
    local = {"repo": "local", "hooks": [{**hook, "language": "system"}]}
    (repository / ".pre-commit-config.yaml").write_text(yaml.safe_dump({"repos": [local]}))
    return repository


def committed(repository):
    assert sh("git", "add", "-A", cwd=repository)[0] == 0
    return sh(sys.executable, "-m", "pre_commit", "run", "--all-files", cwd=repository)


def test_the_manifest_is_one():
    done = sh(sys.executable, "-m", "pre_commit", "validate-manifest", MANIFEST, cwd=ROOT)
    assert done[0] == 0, done[1]


def test_honest_models_pass(as_installed):
    code, out = committed(as_installed)
    assert code == 0, out
    assert "Passed" in out


def test_hostile_models_do_not(as_installed):
    names = ("m.pkl", "deep/M.JOBLIB", "a b.pt", "m.pkl.gz", "-x.sav")
    for name in names:
        target = as_installed / name
        target.parent.mkdir(exist_ok=True)
        target.write_bytes(b"cos\nsystem\n(S'touch marker'\ntR.")
    code, out = committed(as_installed)
    assert code == 1, out
    assert out.count("dangerous: do not load it") == len(names)
    for name in names:
        assert f"{name}  dangerous" in out
    assert not (as_installed / "marker").exists()


def test_models_that_need_trust_do_not(as_installed):
    (as_installed / "models" / "m.pkl").write_bytes(b"cmylib\nModel\n)\x81.")
    code, out = committed(as_installed)
    assert code == 1
    assert "--trust mylib.Model" in out


def test_other_files_are_none_of_its_business(as_installed):
    (as_installed / "models" / "honest.pkl").unlink()
    (as_installed / "script.py").write_text("import pickle\n")
    code, out = committed(as_installed)
    assert code == 0
    assert "no files to check" in out


@pytest.mark.slow
def test_pre_commit_installs_it_from_a_checkout(repository):
    """The whole road: clone, build, install into an environment of its own, run."""
    (repository / "m.pkl").write_bytes(b"cos\nsystem\n(S'touch marker'\ntR.")
    assert sh("git", "add", "-A", cwd=repository)[0] == 0
    command = [sys.executable, "-m", "pre_commit", "try-repo", ROOT, "--all-files"]
    code, out = sh(*command, cwd=repository, timeout=900)
    assert code == 1, out
    assert "os.system" in out
