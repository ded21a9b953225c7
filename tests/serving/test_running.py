# SPDX-License-Identifier: BSD-3-Clause
"""A server as it starts: who may ask, what is refused, the page for browsers."""

from __future__ import annotations

import json
import subprocess
import sys

import safeserial as ss
from tests.serving.conftest import FOREST, KEY, RING, TOKEN, X, start, stop

ROW = {"name": "X", "shape": [1, 6], "datatype": "FP64", "data": X[0].tolist()}


def test_tokens(folder, tmp_path):
    tokens = tmp_path / "tokens"
    tokens.write_text(f"# one a line\n{TOKEN}\n")
    tokens.chmod(0o600)
    server = start(folder, "forest.safeserial", "--tokens", str(tokens))
    try:
        assert server.ask("/v2/health/live")[0] == 200
        for path in ("/v2/models/forest", "/metrics", "/", "/openapi.json"):
            assert server.ask(path)[0] == 401
            assert server.ask(path, Authorization=f"Bearer {TOKEN}x")[0] == 401
            assert server.ask(path, Authorization=f"Basic {TOKEN}")[0] == 401
            assert server.ask(path, Authorization=f"Bearer {TOKEN}")[0] == 200
        assert TOKEN not in server.log.read_text()
    finally:
        assert stop(server) in (0, -15)


def refused(*arguments, cwd):
    ran = subprocess.run(
        [sys.executable, "-m", "safeserial", "serve", *arguments, "--port", "0"],
        cwd=cwd, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert "Traceback" not in ran.stderr
    assert "hint:" in ran.stderr
    return ran.returncode


def test_what_is_not_offered(folder, tmp_path):
    RING.save(tmp_path / "team.keys")
    ring = ["--keyring", "team.keys"]
    data = bytearray((folder / "forest.safeserial").read_bytes())
    data[len(data) // 2] ^= 1
    (tmp_path / "changed.safeserial").write_bytes(data)
    stranger = ss.Keyring([ss.HmacKey.generate()])
    ss.dump(FOREST, tmp_path / "stranger.safeserial", keyring=stranger)
    ss.dump({"a": 1}, tmp_path / "dict.safeserial", keyring=RING)
    (tmp_path / "plain.onnx").write_bytes(ss.to_onnx(FOREST, X).data)
    for name in ("changed.safeserial", "stranger.safeserial"):
        assert refused(name, *ring, cwd=tmp_path) == 1, name
    assert refused("plain.onnx", *ring, cwd=tmp_path) == 2
    assert refused("dict.safeserial", *ring, cwd=tmp_path) == 2
    assert refused("missing.safeserial", *ring, cwd=tmp_path) == 2
    assert refused("a b.safeserial", *ring, cwd=tmp_path) == 2


def test_an_onnx_file_with_its_signature_beside_it(folder, tmp_path):
    path = tmp_path / "beside.onnx"
    path.write_bytes(ss.to_onnx(FOREST, X).data)
    ss.sign(path, keyring=RING)
    server = start(folder, str(path))
    try:
        status, answer = server.infer("beside", {"inputs": [ROW]})
        assert status == 200, answer
    finally:
        stop(server)


def test_a_key_that_is_no_longer_accepted(tmp_path):
    path = tmp_path / "model.safeserial"
    ss.to_onnx(FOREST, X, path, keyring=RING)
    (tmp_path / "none").mkdir()
    ss.Keyring([ss.KeyEntry(key=KEY, state="revoked", reason="lost")]).save(tmp_path / "team.keys")
    assert refused("model.safeserial", "--keyring", "team.keys", cwd=tmp_path) == 1


def test_a_path_that_is_none_is_counted_and_logged(folder, tmp_path):
    server = start(folder, "forest.safeserial", "--follow", "0", log=tmp_path / "log")
    try:
        for path in ("/nothing/Timbuktu", "/v2/", "/page/forest/"):
            status, _, raw = server.ask(path)
            assert (status, json.loads(raw)) == (404, {"error": "Not Found"})
        assert server.ask("/v2", b"{}")[0] == 405
        lines = [one for one in server.lines() if one["event"] == "request"]
        assert [one["status"] for one in lines] == [404, 404, 404, 405]
        assert "Timbuktu" not in server.log.read_text("utf-8")
        text = server.ask("/metrics")[2].decode()
        assert 'safeserial_requests_total{model="-",status="404"} 3.0' in text
    finally:
        stop(server)


def a_page(folder):
    """Make a folder like the page for browsers: what `serve` hands out does not depend on it."""
    (folder / "ort").mkdir(parents=True)
    (folder / "index.html").write_text("<!doctype html><title>page</title>")
    (folder / "page.js").write_text("export const a = 1")
    (folder / "ort" / "ort.wasm").write_bytes(b"\0asm")
    (folder / "secret.txt").write_text("not a kind that a page has")
    (folder / "link.js").symlink_to(folder.parent / "outside.js")
    (folder.parent / "outside.js").write_text("outside")
    return folder


def test_the_page_for_browsers(tmp_path):
    pair = ss.Ed25519Key.generate()
    ring = ss.Keyring([pair])
    ring.save(tmp_path / "pair.keys")
    (tmp_path / "sender.pem").write_bytes(pair.public.to_pem())
    (tmp_path / "forest.onnx").write_bytes(ss.to_onnx(FOREST, X).data)
    ss.sign(tmp_path / "forest.onnx", keyring=ring)
    page = a_page(tmp_path / "page")
    server = start(
        tmp_path, "forest.onnx", "--keyring", "pair.keys", "--page", str(page),
        "--page-key", "sender.pem", "--follow", "0",
    )  # fmt: skip
    try:
        assert b'href="/page/forest/?given"' in server.ask("/")[2]
        status, headers, raw = server.ask("/page/forest/?given")
        assert (status, raw) == (200, (page / "index.html").read_bytes())
        assert headers["X-Frame-Options"] == "DENY"
        assert server.ask("/page/forest/ort/ort.wasm")[1]["Content-Type"] == "application/wasm"
        given = {kind: server.ask(f"/page/forest/given/{kind}") for kind in ("model", "signature")}
        assert given["model"][2] == (tmp_path / "forest.onnx").read_bytes()
        assert given["signature"][2] == (tmp_path / "forest.onnx.sig").read_bytes()
        assert server.ask("/page/forest/given/key")[2] == pair.public.to_pem()
        assert server.ask("/page/forest/given/pair.keys")[0] == 204
        for path in ("secret.txt", "link.js", "../../etc/passwd", "..%2f..%2fpair.keys", "ort"):
            assert server.ask(f"/page/forest/{path}")[0] == 404, path
        assert server.ask("/page/none/")[0] == 404
        assert server.ask("/page/forest/", Host="elsewhere.example")[0] == 421
        assert server.infer("forest", {"inputs": [ROW]})[0] == 200
    finally:
        stop(server)
    (tmp_path / "empty").mkdir()
    arguments = ["forest.onnx", "--keyring", "pair.keys"]
    assert refused(*arguments, "--page", "empty", cwd=tmp_path) == 2
    assert refused(*arguments, "--page-key", "sender.pem", cwd=tmp_path) == 2
