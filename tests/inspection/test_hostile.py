# SPDX-License-Identifier: BSD-3-Clause
"""Hostile files of every kind: found dangerous or doubtful, in plain words, nothing executed."""

import gzip
import io
import json
import pickle
import pickletools
import struct
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest

import safeserial as ss
from safeserial.errors import FormatError, PolicyError
from safeserial.inspection import opcodes
from safeserial.inspection.dangers import _tables, what_it_does
from tests.inspection import samples
from tests.inspection.samples import HOSTILE, field, node, skops, tensor, zipped


def rules(report):
    return {one.rule for one in report.findings}


def call(module, name, *arguments):
    """A pickle of protocol 4 that calls a name."""

    def text(value):
        return b"\x8c" + bytes([len(value)]) + value.encode()

    return (
        b"\x80\x04"
        + text(module)
        + text(name)
        + b"\x93"
        + b"("
        + b"".join(map(text, arguments))
        + b"tR."
    )


@pytest.mark.parametrize(
    ("module", "name", "words"),
    [
        ("os", "system", "runs a shell command"),
        ("posix", "system", "runs a shell command"),
        ("subprocess", "Popen", "starts a program"),
        ("subprocess", "anything", "starts a program"),
        ("builtins", "exec", "runs Python code"),
        ("builtins", "getattr", "any function"),
        ("runpy", "run_path", "runs a module"),
        ("numpy.testing._private.utils", "runstring", "runs Python code"),
        ("torch.hub", "load", "network"),
        ("pickle", "loads", "another pickle"),
        ("webbrowser", "open", "browser"),
        ("shutil", "rmtree", "deletes a folder"),
        ("ctypes", "CDLL", "native code"),
        ("operator", "methodcaller", "any method"),
        ("types", "CodeType", "executable code"),
    ],
)
def test_known_dangers_are_said_in_plain_words(look, module, name, words):
    report = look(call(module, name, "touch /tmp/marker", "second\nline"))
    assert report.verdict == "dangerous"
    grave = next(one for one in report.findings if one.rule == "SS002")
    assert grave.name == f"{module}.{name}"
    assert words in grave.message
    assert "'touch /tmp/marker'" in grave.message
    assert "\n" not in grave.message


def test_python_2_names_are_known_too(look):
    report = look(b"c__builtin__\neval\n(S'1'\ntR.")
    assert report.verdict == "dangerous"
    assert "builtins.eval" in report.untrusted


def test_a_danger_that_the_policy_lists_is_no_finding(look):
    trusting = ss.Policy.default().trusting(["os.system"])
    assert "SS002" not in rules(look(HOSTILE, policy=trusting))


def test_dangers_are_well_said():
    known = _tables()["dangers"]
    assert len(known) >= 80
    for name, does in known.items():
        assert does[0].islower(), name
        assert not does.endswith("."), name
        assert what_it_does(name.replace("*", "anything")), name
    assert what_it_does("sklearn.svm._classes.SVC") == ""
    assert what_it_does("operating.system") == ""


def test_no_danger_is_on_the_allowlist_to_be_called():
    for (module, name), grant in ss.Policy.default().allowlist.grants.items():
        if what_it_does(f"{module}.{name}"):
            assert grant.rule or "call" not in grant.roles, f"{module}.{name}"


def test_what_runs_before_the_damage_counts(look):
    for data in (HOSTILE[:-1], HOSTILE[:-1] + b"\xff\xff", HOSTILE[:-1] + b"garbage\n"):
        report = look(data)
        assert report.verdict == "dangerous", data
        assert "os.system" in report.untrusted


def test_inst_and_persistent_ids_are_not_taken_for_text(look):
    assert look(b"(S'x'\nios\nsystem\n.").verdict == "dangerous"
    assert look(b"(S'x'\nios\nsystem\njunk").verdict in ("dangerous", "cannot tell")


def test_each_of_several_pickles_is_reported(look):
    report = look(pickle.dumps([1]) + pickle.dumps({"a": 1}, 0) + HOSTILE)
    assert report.verdict == "dangerous"
    assert "SS008" in rules(report)
    assert [one.path for one in report.members] == ["pickle 2", "pickle 3"]
    assert [one.verdict for one in report.members] == ["safe", "dangerous"]
    assert report.untrusted == ("os.system",)


def test_honest_pickles_one_after_the_other_are_not_safe(look):
    report = look(pickle.dumps([1]) * 3)
    assert report.verdict == "cannot tell"
    assert len(report.members) == 2


ZIP = zipped([("a.txt", b"hello")])


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(samples.pickled() + ZIP, id="pickle-then-zip"),
        pytest.param(HOSTILE + ZIP, id="hostile-then-zip"),
        pytest.param(samples.joblibbed(3) + ZIP, id="zlib-then-zip"),
        pytest.param(samples.npy(np.zeros(3)) + ZIP, id="npy-then-zip"),
        pytest.param(samples.safetensors() + ZIP, id="safetensors-then-zip"),
        pytest.param(samples.gguf() + ZIP, id="gguf-then-zip"),
        pytest.param(ZIP + samples.pickled(), id="zip-then-pickle"),
        pytest.param(samples.skops() + samples.pickled(), id="skops-then-pickle"),
        pytest.param(samples.npy(np.zeros(3)) + samples.pickled(), id="npy-then-pickle"),
        pytest.param(samples.pytorch() + HOSTILE, id="pytorch-then-pickle"),
    ],
)
def test_two_kinds_in_one_file(look, data):
    report = look(data)
    assert report.verdict == "dangerous"
    assert "SS005" in rules(report)


def test_a_zip_behind_a_prefix(look):
    report = look(b"PK\x03\x04" + bytes(100) + ZIP)
    assert report.verdict in ("dangerous", "cannot tell")
    assert "SS005" in rules(report) or "SS006" in rules(report)


# ---------------------------------------------------------------- archives


@pytest.mark.parametrize("name", ["../evil.npy", "/etc/evil.npy", "a/../../b.npy", "C:evil.npy",
                                  "..\\evil.npy"])  # fmt: skip
def test_paths_that_lead_out(look, name):
    for data in (zipped([(name, samples.npy(np.zeros(2)))]),
                 samples.tarred([(name, samples.pickled())])):  # fmt: skip
        report = look(data)
        assert report.verdict == "dangerous"
        assert "SS010" in rules(report)


def test_a_link_in_a_tar(look, tmp_path):
    import tarfile

    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        entry = tarfile.TarInfo("model.pkl")
        entry.type, entry.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(entry)
    assert "SS010" in rules(look(out.getvalue()))


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_name_twice(look):
    array = samples.npy(np.zeros(2))
    report = look(zipped([("a.npy", array), ("a.npy", samples.npy(np.ones(2)))]))
    assert report.verdict == "dangerous"
    assert "SS012" in rules(report)


def test_a_local_header_that_says_another_name(look):
    data = bytearray(zipped([("a.npy", samples.npy(np.zeros(2)))]))
    data[data.index(b"a.npy")] = ord("b")
    assert "SS012" in rules(look(bytes(data)))


def test_a_zip_bomb_is_not_unpacked(look):
    data = zipped([("a.npy", samples.npy(np.zeros(8 * 2**20, "u1")))], zipfile.ZIP_DEFLATED)
    assert look(data).verdict == "safe"
    lying = bytearray(data)
    at = lying.rindex(b"PK\x01\x02")
    lying[at + 24 : at + 28] = struct.pack("<I", 2**32 - 2)
    report = look(bytes(lying))
    assert report.verdict == "dangerous"
    assert "SS011" in rules(report)


def test_a_bomb_in_a_stream_is_stopped(look):
    bomb = gzip.compress(b"\x80\x04]\x94(" + b"K\x01" * 40 * 2**20)
    report = look(bomb, policy=ss.Policy.default().with_limits(decompressed_size=2**20))
    assert (report.verdict, rules(report)) == ("cannot tell", {"SS007"})


def test_archives_within_archives_end_somewhere(look):
    data = samples.pickled()
    for _ in range(6):
        data = zipped([("m", data)])
    assert look(data).verdict == "cannot tell"
    assert look(zipped([("m", zipped([("n", HOSTILE)]))])).verdict == "dangerous"


def test_a_hostile_member_makes_the_archive_dangerous(look):
    for data in (
        zipped([("notes.txt", b"hi"), ("m.txt", HOSTILE)]),
        samples.tarred([("m", HOSTILE)]),
    ):
        report = look(data)
        assert report.verdict == "dangerous"
        assert "os.system" in report.untrusted


def test_an_encrypted_member_cannot_be_told(look):
    data = bytearray(zipped([("m.pkl", samples.pickled())]))
    for magic, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(magic) + flags] |= 1
    assert look(bytes(data)).verdict == "cannot tell"


# ---------------------------------------------------------------- NumPy


def test_object_arrays_with_a_payload(look):
    class Evil:
        def __reduce__(self):
            import os

            return os.system, ("touch marker",)

    array = np.empty(1, object)
    array[0] = Evil()
    for data in (samples.npy(array), samples.npz(a=array)):
        report = look(data)
        assert report.verdict == "dangerous"
        assert "posix.system" in report.untrusted or "nt.system" in report.untrusted
    assert not Path("marker").exists()


@pytest.mark.parametrize(
    "header",
    [
        "{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000, 1000000000)}",
        "{'descr': '<f8', 'fortran_order': False, 'shape': (-1,)}",
        "{'descr': '<f8', 'fortran_order': False, 'shape': 'x'}",
        "{'descr': '<f8', 'fortran_order': False, 'shape': (True,)}",
        "{'descr': " + "[" * 5000 + ", 'fortran_order': False, 'shape': ()}",
        "{'descr': " + "(" * 20 + "1" + ")" * 20 + ", 'fortran_order': False, 'shape': ()}",
        "{'descr': " + "-" * 9000 + "1, 'fortran_order': False, 'shape': ()}",
        "__import__('os').system('touch marker')",
        "{'descr': '<f8'}",
        "1" * 9000,
    ],
)
def test_headers_that_lie(look, header):
    raw = header.encode()
    report = look(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(raw)) + raw + bytes(16))
    assert report.verdict in ("cannot tell", "dangerous")
    assert report.findings


# ---------------------------------------------------------------- skops


def test_skops_nodes_that_make_functions(look):
    owner = node("sklearn.preprocessing._data.StandardScaler", "ObjectNode")
    method = node(
        "sklearn.preprocessing._data.StandardScaler", "MethodNode", {"func": "fit", "obj": owner}
    )
    report = look(skops(step=method))
    assert report.verdict == "needs trust"
    assert "'fit'" in report.findings[0].message
    liar = node("builtins.str", "MethodNode", {"func": "system", "obj": owner})
    assert look(skops(step=liar)).verdict == "dangerous"
    getter = node("operator.methodcaller", "OperatorFuncNode", attrs=samples.plain("system"))
    assert look(skops(step=getter)).verdict == "dangerous"
    other = node("os.system", "OperatorFuncNode", attrs=samples.plain("x"))
    assert "SS014" in rules(look(skops(step=other)))


def test_skops_nodes_that_are_none(look):
    assert "SS014" in rules(look(skops(step=node("builtins.str", "EvilNode"))))
    assert "SS014" in rules(look(skops(step={"__loader__": "ObjectNode"})))
    cached = node("builtins.str", "CachedNode", __id__=77)
    assert "SS014" in rules(look(skops(step=cached)))
    function = node("os.system", "FunctionNode")
    report = look(skops(step=function))
    assert report.verdict == "dangerous"
    assert "runs a shell command" in report.findings[0].message


def test_skops_entries(look):
    report = look(skops([("stray.pkl", HOSTILE)]))
    assert "SS023" in rules(report)
    assert look(skops(mean_=samples.skops_array("missing.npy"))).verdict == "cannot tell"
    evil = samples.npy(np.array([1, None], object))
    report = look(skops([("1.npy", evil)], mean_=samples.skops_array()))
    assert "SS022" in rules(report.members[0])


@pytest.mark.parametrize(
    "schema",
    [b"", b"[]", b"{}", b"{" * 100_000, b"[" * 100_000, b'{"__loader__": 1}', b"\xff\xfe",
     b'{"__loader__": "ObjectNode", "a": ' + b"[" * 950 + b"]" * 950 + b"}",
     b'{"__loader__": "ListNode", "__loader__": "ObjectNode"}'],
)  # fmt: skip
def test_skops_schemas_that_are_none(look, schema):
    report = look(zipped([("schema.json", schema)]))
    assert report.kind == "skops"
    assert report.verdict in ("cannot tell", "dangerous")


# ---------------------------------------------------------------- ONNX


@pytest.mark.parametrize(
    ("location", "level"),
    [("weights.bin", "note"), ("../../etc/passwd", "error"), ("/etc/passwd", "error"),
     ("a/../../b", "error"), ("", "error"), ("http://x/y", "error")],
)  # fmt: skip
def test_onnx_numbers_elsewhere(look, location, level):
    report = look(samples.onnx(tensors=[tensor(external=location)]))
    found = [one for one in report.findings if one.rule == "SS016"]
    assert [one.level for one in found] == [level]
    assert report.verdict == ("safe" if level == "note" else "dangerous")


def test_onnx_custom_operators(look):
    report = look(samples.onnx(domain="com.mycompany", op="Anything"))
    assert report.verdict == "needs trust"
    assert "'com.mycompany'" in report.findings[0].message


def test_onnx_bombs(look):
    assert "SS011" in rules(look(samples.onnx(tensors=[tensor(dims=(2**20, 2**20))])))
    shape = tensor("s", (2,), 7, struct.pack("<qq", 2**20, 2**20))
    report = look(samples.onnx(domain="", op="ConstantOfShape", tensors=[shape], inputs=("s",)))
    assert "SS011" in rules(report)


def test_onnx_deep_graphs(look):
    inner = b""
    for _ in range(200):
        inner = field(1, field(5, field(6, inner)))
    report = look(samples.onnx(attributes=field(5, field(6, inner))))
    assert rules(report) == {"SS007"}


# ---------------------------------------------------------------- the others


@pytest.mark.parametrize(
    "header",
    [
        {"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]},
         "b": {"dtype": "F32", "shape": [2], "data_offsets": [4, 12]}},
        {"a": {"dtype": "F32", "shape": [2], "data_offsets": [8, 16]}},
        {"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 800]}},
        {"a": {"dtype": "F32", "shape": [3], "data_offsets": [0, 24]}},
        {"a": {"dtype": "F99", "shape": [3], "data_offsets": [0, 24]}},
        {"a": {"dtype": "F32", "shape": [-6], "data_offsets": [0, 24]}},
        {"a": {"dtype": "F32", "shape": [2**62, 2**62], "data_offsets": [0, 24]}},
        {"a": {"dtype": "F32", "shape": 6, "data_offsets": [0, 24]}},
        {"a": [1]},
        {"__metadata__": {"x": 1}},
        {},
    ],
)  # fmt: skip
def test_safetensors_that_break_the_rules(look, header):
    report = look(samples.safetensors(header))
    assert report.verdict in ("cannot tell", "dangerous")


def test_pytorch_with_a_payload(look):
    evil = samples.torch_pickle(b"cos\nsystem\nX\x02\x00\x00\x00ls\x85R0")
    for data in (samples.pytorch(evil), samples.torch_legacy(evil)):
        report = look(data)
        assert report.verdict == "dangerous"
        grave = next(one for one in report.findings if one.rule == "SS002")
        assert "'ls'" in grave.message
    strange = samples.torch_pickle(b"cmypackage.nets\nNet\n0")
    report = look(samples.pytorch(strange))
    assert (report.verdict, report.untrusted) == ("needs trust", ("mypackage.nets.Net",))
    assert look(samples.pytorch(samples.torch_pickle(b"\x82\x01"))).verdict == "dangerous"


def test_pytorch_names_made_of_texts(look):
    moved = b"\x80\x04\x8c\x02os\x94\x8c\x06system\x94h\x00h\x01\x93\x8c\x02ls\x85R."
    report = look(samples.pytorch(moved))
    assert report.verdict == "dangerous"
    hidden = b"\x80\x04N\x8c\x06system\x93."
    assert look(samples.pytorch(hidden)).verdict != "safe"


def test_keras_code(look):
    code = {"class_name": "Lambda", "module": "keras.layers", "config": {"function": {
        "class_name": "__lambda__", "config": {"code": "4wEAAAA="}}}}  # fmt: skip
    report = look(samples.keras([code]))
    assert report.verdict == "dangerous"
    assert "SS017" in rules(report)
    foreign = {"class_name": "Thing", "module": "mypackage", "config": {}}
    assert look(samples.keras([foreign])).verdict == "needs trust"
    shell = {"class_name": "system", "module": "os", "config": {}}
    assert look(samples.keras([shell])).verdict == "dangerous"
    old = b"\x89HDF\r\n\x1a\n" + b'model_config {"class_name": "Lambda"}'
    assert look(old).verdict == "dangerous"


def test_text_of_the_file_stands_escaped(look):
    report = look(call("os", "sys\x1b[31mtem", "\x1b]0;pwned\x07"))
    for one in report.findings:
        assert one.message.isprintable()


def test_get_untrusted_types_of_any_kind(tmp_path):
    path = tmp_path / "m"
    path.write_bytes(skops(step=node("mypackage.A", "ObjectNode")))
    assert ss.get_untrusted_types(path) == ["mypackage.A"]
    path.write_bytes(HOSTILE)
    assert ss.get_untrusted_types(path) == ["os.system"]
    path.write_bytes(samples.npy(np.zeros(3)) + ZIP)
    with pytest.raises(PolicyError) as raised:
        ss.get_untrusted_types(path)
    assert raised.value.hint
    path.write_bytes(b"just text")
    with pytest.raises(FormatError):
        ss.get_untrusted_types(path)


def test_opcode_lengths_are_those_of_the_interpreter():
    known = {one.code.encode("latin-1")[0]: one for one in pickletools.opcodes}
    assert set(known) == set(opcodes._FIXED) | set(opcodes._LINES) | set(opcodes._COUNTED)
    for code, length in opcodes._FIXED.items():
        argument = known[code].arg
        assert length == (0 if argument is None else argument.n)
    for code, form in opcodes._COUNTED.items():
        counts = {-2: "<B", -3: "<I", -4: "<I", -5: "<Q"}
        assert form == counts[known[code].arg.n], known[code].name


def test_reports_are_json(look):
    for data in (HOSTILE, skops(step=node("os.system", "FunctionNode")), zlib.compress(HOSTILE)):
        document = json.loads(json.dumps(look(data).to_dict()))
        assert document["findings"][0]["rule"] == "SS002"


def test_what_a_reader_raises_becomes_a_report(monkeypatch, look):
    from safeserial.errors import CorruptArtifactError
    from safeserial.inspection import tars

    for error, rule in ((CorruptArtifactError("broken"), "SS006"), (RecursionError(), "SS007")):

        def fail(head, error=error):
            raise error

        monkeypatch.setattr(tars, "looks_like_tar", fail)
        report = look(b"\x01\x02 neither")
        assert (report.verdict, rules(report)) == ("cannot tell", {rule})
