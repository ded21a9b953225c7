# SPDX-License-Identifier: BSD-3-Clause
"""Anybody's words in generated code: identifiers are valid and each once, strings mean the same."""

import ast
import json
import re
import shutil

import pytest
from hypothesis import given
from hypothesis import strategies as st

import safeserial as ss
from safeserial_converters.codegen import generate, languages, names
from safeserial_converters.codegen.project import LANGUAGES, Input, Project
from tests.clients.conftest import VECTORS

TEXTS = st.text(max_size=40) | st.sampled_from(
    [
        "class",
        "self",
        "1st",
        "prix (€)",
        "a b",
        "a-b",
        "A B",
        "__proto__",
        '"*/ //',
        "\\u0022",
        "??/",
    ]
)
# How each language reads a string, said in Python's own literals, which read it alike.
READ = {
    "js": json.loads,
    "csharp": json.loads,
    "java": lambda one: ast.literal_eval(one).encode("utf-16", "surrogatepass").decode("utf-16"),
    "go": ast.literal_eval,
    "rust": lambda one: re.sub(r"\\u\{(\w+)\}", lambda hit: chr(int(hit[1], 16)), one[1:-1]),
    "c": lambda one: ast.literal_eval(f"b{one}").decode("utf-8"),
}


@pytest.mark.parametrize("language", LANGUAGES)
@given(text=TEXTS)
def test_a_string_is_one_line_of_ascii_and_means_the_text(language, text):
    written = names.literal(text, language)
    assert written.isascii()
    assert written.isprintable()
    assert not re.search(r'(?<!\\)(?:\\\\)*"', written[1:-1])
    assert READ[language](written) == text
    if language == "java":  # read before anything else: a quote so written ends the string
        assert not re.search(r"\\u00[0-7]", written)
    if language == "c":  # so are trigraphs
        assert "?" not in written


@given(st.lists(TEXTS, max_size=12), st.sampled_from(["snake", "camel", "pascal"]))
def test_identifiers_are_valid_and_each_once(texts, style):
    found = names.identifiers(texts, style, ("a_b", "aB", "AB"))
    assert len(found) == len(texts)
    assert len({one.lower() for one in found}) == len(found)
    for one in found:
        assert re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", one)
        assert one not in {"class", "self", "Self", "type", "a_b", "aB", "AB"}
        assert one[0].isupper() == (style == "pascal")


def test_the_same_words_give_the_same_identifiers():
    texts = ["petal width", "petalWidth", "PETAL-WIDTH", "class", "1st", "€", "hash code", "Self"]
    assert names.identifiers(texts, "snake") == (
        "petal_width", "petal_width_2", "petal_width_3", "class_", "column_1st", "column6",
        "hash_code", "self_",
    )  # fmt: skip
    assert names.identifiers(texts, "camel")[-2:] == ("hashCode_", "self_")
    assert names.identifiers(texts, "pascal")[-2:] == ("HashCode", "Self_")


@given(TEXTS)
def test_comments_and_markdown_stay_what_they_are(text):
    assert re.fullmatch(r"[A-Za-z0-9 .,_-]*", names.plain(text))
    assert not {"`", "\\", "|", "<", "\n"} & set(names.shown(text))
    assert names.shown(text).isprintable()


@pytest.mark.parametrize("lang", languages())
def test_every_language_writes_a_whole_project_and_no_secret(lang, tmp_path):
    model = tmp_path / "model.onnx"
    shutil.copy(VECTORS / "mixed" / "model.onnx", model)
    for key in (ss.EcdsaKey.generate(), ss.HmacKey.generate()):
        ring = ss.Keyring([key])
        ss.sign(model, keyring=ring, signature=tmp_path / "own.sig", name='"*/ `{0}` ${x} %s')
        out = tmp_path / key.key_id
        generate(model, out, lang=lang, keyring=ring, signature=tmp_path / "own.sig")
        files = {one.relative_to(out).as_posix(): one for one in out.rglob("*") if one.is_file()}
        found = {one.name: one.read_bytes() for one in files.values()}
        assert {"README.md", "rows.json", "rows.csv", "answers.json"} <= set(found)
        assert found["model.onnx"] == model.read_bytes()
        assert found["model.onnx.sig"] == (tmp_path / "own.sig").read_bytes()
        assert found.get("key.pem") == (
            None if key.key_id.startswith("hmac") else key.public.to_pem()
        )
        secret = key.to_text().split(":")[-1].encode("ascii")
        for name, data in found.items():
            assert secret not in data
            assert b"\r" not in data or name in {"rows.csv", "model.onnx"}
            if name != "model.onnx":
                data.decode("utf-8")
        (tmp_path / "own.sig").unlink()


@given(TEXTS)
def test_a_project_has_a_name_for_package_managers(text):
    inputs = (Input("X", "float64", 2, 3),)
    project = Project(text, "", "model.onnx", b"", b"", b"", "p256", "sha256", inputs, ())
    assert re.fullmatch(r"[a-z0-9][a-z0-9-]{0,39}", project.slug)
    assert project.common()["rows.csv"] == b'"x0","x1","x2"\r\n'
