# SPDX-License-Identifier: BSD-3-Clause
"""Reports as an inspection makes them, and one in which every text is hostile."""

from safeserial.errors import CorruptArtifactError
from safeserial.inspection.report import Finding, Report
from safeserial.verifier import Survey
from safeserial.verifier.survey import SurveyedGlobal
from tests.inspection.browser import EVIL


def named(module, name, *roles, offset=0, allowed=False):
    return SurveyedGlobal((module, name), (module, name), roles, offset, allowed)


def surveyed(*globals_):
    untrusted = tuple(sorted({one.dotted for one in globals_ if not one.allowed}))
    return Survey(globals_, (), untrusted, None)


DANGEROUS = Report(
    path="models/stranger.pkl",
    size=41,
    kind="pickle",
    verdict="dangerous",
    survey=surveyed(named("os", "system", "call"), named("numpy", "ndarray", "new", allowed=True)),
    findings=(
        Finding(rule="SS002", level="error", message="runs a command", name="os.system", offset=11),
        Finding(rule="SS008", level="warning", message="2 pickles follow one another"),
    ),
)
ARCHIVE = Report(
    path="net.pt",
    size=5000,
    kind="pytorch",
    verdict="needs trust",
    versions={"torch": "2.1.0"},
    details={"tensors": "267"},
    members=(
        Report(
            path="archive/data.pkl",
            size=300,
            kind="pickle",
            verdict="needs trust",
            findings=(
                Finding(
                    rule="SS001",
                    level="warning",
                    message="mylib.Net is not on the allowlist",
                    name="mylib.Net",
                    offset=7,
                ),
            ),
        ),
        Report(path="archive/data/0", size=4000, kind="tensor data", verdict="safe"),
    ),
)
SAFE = Report(
    path="churn.joblib",
    size=1_234_567,
    kind="joblib (zlib)",
    verdict="safe",
    estimator="sklearn.pipeline.Pipeline",
    versions={"scikit-learn": "1.3.2"},
)
UNREADABLE = Report(
    path="cut.npz",
    size=9,
    kind="unknown",
    verdict="cannot tell",
    problem=CorruptArtifactError("the archive ends early"),
)
PICTURE = Report(path="cat.png", size=9, kind="unknown", verdict="not a model")
HOSTILE = Report(
    path=f"data/{EVIL}",
    size=7,
    kind=EVIL,
    verdict="dangerous",
    estimator=EVIL,
    versions={EVIL: EVIL},
    details={EVIL: EVIL},
    signature="refused",
    signers=(EVIL,),
    artifact_id=EVIL,
    survey=surveyed(named(EVIL, EVIL, "call")),
    findings=(
        Finding(rule="SS003", level="error", message=EVIL, name=f"x.{EVIL}", member=EVIL, offset=3),
    ),
    members=(
        Report(
            path=EVIL,
            size=1,
            kind=EVIL,
            verdict="cannot tell",
            problem=CorruptArtifactError(EVIL, hint=EVIL),
        ),
    ),
)
ALL = (DANGEROUS, ARCHIVE, SAFE, UNREADABLE, PICTURE, HOSTILE)
