# SPDX-License-Identifier: BSD-3-Clause
"""The Open Inference Protocol, asked by hand and by a client that others made."""

from __future__ import annotations

import concurrent.futures
import http.client
import json
import struct

import numpy as np
import pytest

from tests.serving.conftest import FOREST, FRAME, MIXED, X

ROW = {"name": "X", "shape": [1, 6], "datatype": "FP64", "data": X[0].tolist()}


def test_the_server_and_its_models_describe_themselves(server):
    assert json.loads(server.ask("/v2")[2])["name"] == "safeserial"
    assert server.ask("/v2/health/live")[0] == server.ask("/v2/health/ready")[0] == 200
    about = json.loads(server.ask("/v2/models/forest")[2])
    assert (about["versions"], about["platform"]) == (["7"], "onnx_onnxv1")
    assert about["inputs"] == [{"name": "X", "datatype": "FP64", "shape": [-1, 6]}]
    assert {one["name"] for one in about["outputs"]} == {"predict", "predict_proba"}
    assert server.ask("/v2/models/forest/versions/7/ready")[0] == 200
    assert server.ask("/v2/models/forest/versions/8/ready")[0] == 404
    assert server.ask("/v2/models/none")[0] == 404


def outputs(answer):
    return {one["name"]: one for one in answer["outputs"]}


@pytest.mark.parametrize("model", ["forest", "python"])
def test_predictions_are_the_models_own(server, model):
    tensor = {"name": "X", "shape": [40, 6], "datatype": "FP64", "data": X[:40].tolist()}
    status, answer = server.infer(model, {"inputs": [tensor], "id": "a1"})
    assert status == 200, answer
    found = outputs(answer)
    assert answer["id"] == "a1"
    assert found["predict"]["data"] == FOREST.predict(X[:40]).tolist()
    assert found["predict"]["datatype"] == "BYTES"
    proba = np.reshape(found["predict_proba"]["data"], found["predict_proba"]["shape"])
    assert np.abs(proba - FOREST.predict_proba(X[:40])).max() < 1e-12


def frame_inputs(rows):
    ages = rows["age"].astype(object).where(rows["age"].notna(), None).tolist()
    towns = [one if isinstance(one, str) else None for one in rows["town"].tolist()]
    shape = [len(rows), 1]
    return [
        {"name": "age", "shape": shape, "datatype": "FP64", "data": ages},
        {"name": "town", "shape": shape, "datatype": "BYTES", "data": towns},
    ]


def test_columns_texts_and_missing_values(server):
    rows = FRAME.iloc[:8].assign(town=["Rom", "Oslo", "Köln", None] * 2)
    status, answer = server.infer("mixed", {"inputs": frame_inputs(rows)})
    assert status == 200, answer
    assert outputs(answer)["predict"]["data"] == MIXED.predict(rows).tolist()


def test_a_frame_for_a_model_of_python(server):
    rows = FRAME.iloc[:3].dropna()
    status, answer = server.infer("frame", {"inputs": frame_inputs(rows)})
    assert status == 200, answer
    assert outputs(answer)["predict"]["data"] == MIXED.predict(rows).tolist()


def test_only_the_wanted_outputs(server):
    status, answer = server.infer("forest", {"inputs": [ROW], "outputs": [{"name": "predict"}]})
    assert status == 200
    assert [one["name"] for one in answer["outputs"]] == ["predict"]


def test_tritonclient_works_unchanged(server):
    triton = pytest.importorskip("tritonclient.http")
    client = triton.InferenceServerClient(server.url.removeprefix("http://"))
    try:
        assert client.is_server_live()
        assert client.is_server_ready()
        assert client.is_model_ready("forest")
        assert client.get_model_metadata("forest")["name"] == "forest"
        for binary in (True, False):
            tensor = triton.InferInput("X", [50, 6], "FP64")
            tensor.set_data_from_numpy(X[:50], binary_data=binary)
            wanted = [
                triton.InferRequestedOutput(one, binary_data=binary)
                for one in ("predict", "predict_proba")
            ]
            for asked in (wanted, None):
                result = client.infer("forest", [tensor], outputs=asked)
                labels = [
                    one.decode() if isinstance(one, bytes) else one
                    for one in result.as_numpy("predict").ravel()
                ]
                assert labels == FOREST.predict(X[:50]).tolist()
                found = result.as_numpy("predict_proba")
                assert np.abs(found - FOREST.predict_proba(X[:50])).max() < 1e-12
        towns = triton.InferInput("town", [2, 1], "BYTES")
        towns.set_data_from_numpy(np.array([["Köln"], [""]], object))
        ages = triton.InferInput("age", [2, 1], "FP64")
        ages.set_data_from_numpy(np.array([[20.0], [np.nan]]))
        result = client.infer("mixed", [ages, towns])
        expected = MIXED.predict(FRAME.iloc[[0, 3]].assign(age=[20.0, None], town=["Köln", None]))
        assert result.as_numpy("predict").tolist() == expected.tolist()
    finally:
        client.close()


def test_many_at_once_are_joined_and_each_gets_its_own(server):
    def one(at):
        tensor = {"name": "X", "shape": [1, 6], "datatype": "FP64", "data": X[at].tolist()}
        status, answer = server.infer("forest", {"inputs": [tensor]})
        return status, outputs(answer)["predict"]["data"]

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        found = list(pool.map(one, range(120)))
    assert {status for status, _ in found} == {200}
    assert [label for _, (label,) in found] == FOREST.predict(X[:120]).tolist()


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"shape": [2, 6]}, "elements"), ({"shape": [1, 7]}, "elements"), ({"shape": [6]}, "shape"),
        ({"shape": [-1, 6]}, "shape"), ({"shape": [2**62, 2**62]}, "hold"),
        ({"shape": []}, "shape"),
        ({"datatype": "FP32"}, "FP64"), ({"datatype": "BYTES"}, "BYTES"),
        ({"datatype": "COMPLEX"}, "datatype"), ({"data": ["a"] * 6}, "FP64"),
        ({"data": [True] * 6}, "FP64"), ({"data": None}, "list"),
        ({"data": [[1, 2, 3], 4]}, "nested"),
        ({"name": "Z"}, "missing"), ({"data": [1e400] * 6}, ""), ({"data": [10**400] * 6}, ""),
    ],
)  # fmt: skip
def test_inputs_that_do_not_fit_are_told_why(server, changed, words):
    body = json.dumps({"inputs": [{**ROW, **changed}]}).replace("Infinity", "1e400")
    status, answer = server.infer("forest", body.encode())
    assert status == 400 or (words == "" and status in (200, 400)), answer
    assert words in answer.get("error", "")


@pytest.mark.parametrize(
    "body",
    [
        b"", b"{", b"[]", b"null", b'{"inputs":[]}', b'{"inputs":{}}', b"\xff\xfe",
        b"[" * 100_000, b'{"inputs":[{"name":"X"}]}',
        json.dumps({"inputs": [ROW, ROW]}).encode(),
        json.dumps({"inputs": [ROW], "id": 5}).encode(),
        json.dumps({"inputs": [{**ROW, "parameters": {"binary_data_size": 48}}]}).encode(),
        json.dumps({"inputs": [ROW], "outputs": [{"name": "none"}]}).encode(),
        json.dumps({"inputs": [{**ROW, "parameters": {"shared_memory_region": "a"}}]}).encode(),
    ],
)  # fmt: skip
def test_what_is_no_request_is_refused(server, body):
    status, answer = server.infer("forest", body)
    assert status == 400
    assert answer["error"]


def binary(raw, shape, datatype="FP64", size=None, tail=b""):
    head = json.dumps(
        {
            "inputs": [
                {
                    "name": "X", "shape": shape, "datatype": datatype,
                    "parameters": {"binary_data_size": len(raw) if size is None else size},
                }
            ]
        }
    ).encode()  # fmt: skip
    return head + raw + tail, {"Inference-Header-Content-Length": str(len(head))}


@pytest.mark.parametrize(
    "made",
    [
        binary(bytes(48), [1, 5]), binary(bytes(47), [1, 6]), binary(bytes(48), [1, 6], size=99),
        binary(bytes(48), [1, 6], size=-1), binary(bytes(48), [1, 6], tail=b"x"),
        binary(bytes(48), [2**40, 2**40]), binary(struct.pack("<I", 2**31), [1], "BYTES"),
        binary(b"\1\0", [1], "BYTES"), binary(struct.pack("<I", 1) + b"\xff", [1], "BYTES"),
        (b"{}", {"Inference-Header-Content-Length": "99"}),
        (b"{}", {"Inference-Header-Content-Length": "-1"}),
        (b"{}", {"Inference-Header-Content-Length": "9" * 30}),
    ],
)  # fmt: skip
def test_binary_tensors_that_lie_are_refused(server, made):
    body, headers = made
    assert server.infer("forest", body, **headers)[0] == 400


def test_a_body_over_the_bound_is_refused(server):
    # Only the length is sent: the server answers without waiting for the rest.
    address = server.url.removeprefix("http://")
    connection = http.client.HTTPConnection(address, timeout=60)
    connection.putrequest("POST", "/v2/models/forest/infer")
    connection.putheader("Content-Length", str(2**20 + 1))
    connection.endheaders()
    assert connection.getresponse().status == 413
    connection.close()
    assert server.infer("forest", b"x", **{"Content-Encoding": "gzip"})[0] == 415


def test_random_requests_never_fail_the_server(server):
    rng = np.random.default_rng(0)
    good, headers = binary(X[:4].tobytes(), [4, 6])
    plain = json.dumps({"inputs": [ROW]}).encode()
    for number in range(300):
        base, extra = (good, headers) if number % 2 else (plain, {})
        raw = bytearray(base)
        for _ in range(rng.integers(1, 4)):
            raw[rng.integers(len(raw))] = rng.integers(256)
        cut = rng.integers(1, len(raw) + 1) if number % 3 == 0 else len(raw)
        status, _, _ = server.ask("/v2/models/forest/infer", bytes(raw[:cut]), **extra)
        assert status in (200, 400)
    assert server.ask("/v2/health/live")[0] == 200


def test_metrics_and_pages(server):
    assert server.infer("forest", {"inputs": [ROW]})[0] == 200
    text = server.ask("/metrics")[2].decode()
    assert 'safeserial_requests_total{model="forest",status="200"}' in text
    assert json.loads(server.ask("/openapi.json")[2])["openapi"].startswith("3.")
    status, headers, page = server.ask("/")
    assert status == 200
    assert b"forest" in page
    assert "default-src 'none'" in headers["Content-Security-Policy"]


def test_the_log_has_no_data(server):
    text = "Timbuktu"
    rows = FRAME.iloc[:1].assign(town=[text])
    server.infer("mixed", {"inputs": frame_inputs(rows)})
    server.infer("frame", {"inputs": [{**ROW, "name": text}]})
    assert text not in server.log.read_text("utf-8")
    assert {"time", "event", "model", "status", "ms"} <= set(server.lines()[-1])
