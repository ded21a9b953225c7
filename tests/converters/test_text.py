# SPDX-License-Identifier: BSD-3-Clause
"""Text vectorizers: counts and weights to the last digit, in every script, without a locale."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.feature_extraction import FeatureHasher
from sklearn.feature_extraction.text import (
    CountVectorizer,
    HashingVectorizer,
    TfidfTransformer,
    TfidfVectorizer,
)
from sklearn.linear_model import LogisticRegression, SGDClassifier
from sklearn.naive_bayes import BernoulliNB
from sklearn.pipeline import make_pipeline

from safeserial.errors import UnsupportedModelError
from safeserial_converters import to_onnx
from safeserial_converters.token_patterns import translate
from tests.converters.harness import Data, require_right

WORDS = [
    *"the a of cat dog École naïve ΩΜΈΓΑΣ ωμέγας Σίσυφος 漢字 テスト İstanbul straße".split(),
    *"STRASSE don't x_1 42 3.14 ½ ﬁne 한국어 Привет МИР мир New York (red) I is not".split(),
    *["", "\t\n", " \u00a0"],
]


def texts(seed, count):
    random = np.random.default_rng(seed)
    return [" ".join(random.choice(WORDS, random.integers(0, 14))) for _ in range(count)]


TRAIN = texts(0, 200)
TARGET = np.array([("cat" in one) + 2 * ("dog" in one) for one in TRAIN])
HELD = [*texts(1, 300), "", "  ", "UPPER ΣΑΣ ΟΔΥΣΣΕΥΣ ΑΣ. Σ aΣ' b"]
DATA = Data("texts", TRAIN, TARGET, HELD)


@pytest.mark.parametrize(
    "make",
    [
        CountVectorizer,
        lambda: CountVectorizer(ngram_range=(1, 2), lowercase=False, binary=True),
        lambda: TfidfVectorizer(ngram_range=(2, 3), sublinear_tf=True),
        lambda: TfidfVectorizer(stop_words="english", ngram_range=(1, 3), norm="l1"),
        lambda: TfidfVectorizer(strip_accents="unicode", use_idf=False),
        lambda: TfidfVectorizer(strip_accents="ascii", norm=None, smooth_idf=False),
        lambda: TfidfVectorizer(analyzer="char", ngram_range=(1, 3)),
        lambda: TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 4)),
        lambda: CountVectorizer(analyzer="char_wb", ngram_range=(5, 6)),
        lambda: CountVectorizer(token_pattern=r"\b[a-zA-Z]{2,}\b", ngram_range=(1, 2)),
        lambda: CountVectorizer(token_pattern=r"\S+"),
        lambda: TfidfVectorizer(dtype=np.float32),
        lambda: CountVectorizer(
            stop_words=["cat"], vocabulary=["cat", "dog", "dog the", "мир"], ngram_range=(1, 2)
        ),
        lambda: HashingVectorizer(n_features=2**8),
        lambda: HashingVectorizer(n_features=2**5, binary=True, norm="l1", ngram_range=(1, 2)),
        lambda: HashingVectorizer(n_features=2**6, analyzer="char_wb", alternate_sign=False),
    ],
)
def test_as_scikit_learn_does_it(make):
    require_right(make, only=[], also=[DATA])


@pytest.mark.parametrize(
    "make",
    [
        lambda: make_pipeline(TfidfVectorizer(), LogisticRegression()),
        lambda: make_pipeline(CountVectorizer(), TfidfTransformer(), SGDClassifier(random_state=0)),
        lambda: make_pipeline(
            HashingVectorizer(n_features=2**16, norm=None),
            TfidfTransformer(),
            SGDClassifier(random_state=0),
        ),
    ],
)
def test_before_a_classifier(make):
    require_right(make, only=[], also=[DATA])


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        (
            CountVectorizer(tokenizer=str.split, token_pattern=None),
            "tokenizer is a Python function",
        ),
        (CountVectorizer(preprocessor=str.upper), "preprocessor is a Python function"),
        (CountVectorizer(analyzer=str.split), "analyzer is a Python function"),
        (CountVectorizer(token_pattern=r"[a-z]+-[a-z]+|\w+"), "token_pattern"),
        (CountVectorizer(token_pattern=r"[a-z ]+"), "token_pattern"),
        (TfidfVectorizer(dtype=np.float32, sublinear_tf=True), "computes in float32"),
        (HashingVectorizer(), "do not fit into memory"),
    ],
)
def test_what_cannot_be_exact_is_refused(model, reason):
    samples = ["one two", "two-three four", "four five"]
    with pytest.raises(UnsupportedModelError, match=reason):
        to_onnx(model.fit(samples), samples)


def test_feature_hasher_of_strings():
    rows = np.random.default_rng(0).choice(np.array(WORDS[:20], object), (60, 3))
    model = FeatureHasher(n_features=64, input_type="string")
    require_right(lambda: model, only=[], also=[Data("strings", rows, None, rows[::-1])])


@pytest.fixture(scope="module")
def letters():
    model = CountVectorizer(
        analyzer="char", vocabulary=list("abc\u03c3\u03c2éi\u0307ßs k"), ngram_range=(1, 1)
    )
    return model.fit(["abc"]), to_onnx(model, ["abc", "ΑΣ é"]).session()


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.text(alphabet=st.characters(exclude_categories=("Cs",)), max_size=12),
        min_size=1,
        max_size=4,
    )
)
def test_lower_case_of_any_text(letters, rows):
    model, session = letters
    found = session.run(None, {"X": np.array(rows, object)})[0]
    np.testing.assert_array_equal(found, model.transform(rows).toarray())


@pytest.mark.parametrize(
    ("pattern", "known"),
    [
        (r"(?u)\b\w\w+\b", True),
        (r"\w{2,3}", True),
        (r"\b\w{2,3}\b", True),
        (r"[^\s,]+", True),
        (r"\b[\w']+\b", False),
        (r"(?:a|b)+", False),
        (r"\w*", False),
        (r"\w{2,5000}", False),
        (r"[a-z]+[0-9]+", False),
    ],
)
def test_token_patterns(pattern, known):
    assert (translate(pattern) is not None) is known


def test_signs_that_cancel_leave_nothing_behind():
    """1/3 - 1/9 - 1/9 - 1/9 is not 0: what falls on one column is summed before it is divided."""
    random = np.random.default_rng(0)
    words = "red GREEN été ΩΜΈΓΑ 漢字 don't İstanbul a_b 0 1.5 nan".split()
    some = [" ".join(random.choice(words, random.integers(0, 9))) for _ in range(400)]
    target = np.array([int("red" in one) for one in some[:150]])
    data = Data("texts", some[:150], target, some[150:])
    hashing = HashingVectorizer(analyzer="char", n_features=64)
    for last in ([BernoulliNB()], [TfidfTransformer(), BernoulliNB()]):
        require_right(lambda last=last: make_pipeline(hashing, *last), only=[], also=[data])


def test_a_zero_at_the_end_of_a_text_is_a_character():
    ends = ["ab\x00", "ab", "\x00"]
    model = CountVectorizer(analyzer="char").fit(ends)
    found = to_onnx(model, ends).run(ends)["transform"]
    assert found.tolist() == model.transform(ends).toarray().tolist()
