# SPDX-License-Identifier: BSD-3-Clause
"""The browser page, in a real browser: what it shows, what it refuses, by keyboard, as CSV."""

import contextlib
import csv
import http.client
import http.server
import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
import threading

import pytest

import safeserial as ss
from tests.clients.chromium import Page, serving
from tests.clients.conftest import CLIENTS, VECTORS

STATUS = "document.getElementById('status')"


@pytest.fixture
def site(packages, tmp_path):
    """The page as the static folder that `build.mjs` makes."""
    place = tmp_path / "site"
    build = CLIENTS / "browser" / "build.mjs"
    subprocess.run(["node", build, place, packages], check=True, timeout=60)
    return place


@pytest.fixture
def page(site, tmp_path):
    """The page in the browser; afterwards, nothing but its own origin was asked for."""
    with serving(site) as (address, asked):
        shown = Page(tmp_path / "profile")
        try:
            shown.call("Network.enable")
            shown.call("Page.navigate", url=address)
            shown.until("document.readyState == 'complete'")
            yield shown
            sent = [one["params"] for one in shown.events
                    if one.get("method") == "Network.requestWillBeSent"]  # fmt: skip
            away = [one["request"]["url"] for one in sent]
            assert all(one.startswith((address, "data:", "about:", "blob:")) for one in away), away
            assert all(one["request"]["method"] == "GET" for one in sent)
            assert "/ort/ort.wasm.min.mjs" in asked
            errors = [one for one in shown.events if one.get("method") == "Log.entryAdded"
                      and one["params"]["entry"]["level"] == "error"]  # fmt: skip
            assert not errors
        finally:
            shown.close()


def give(page, model, key, signature=None):
    if signature:
        page.choose("#signature", VECTORS / signature)
    page.choose("#model", VECTORS / model)
    page.choose("#key", VECTORS / key)
    page.until(f"{STATUS}.className")
    return page.run(f"{STATUS}.innerText")


def test_rows_by_keyboard_and_from_a_csv(page, tmp_path):
    said = give(page, "mixed/model.onnx", "keys/ed25519.pem", "signed/mixed.ed25519.sig")
    assert said == "The signature is right."
    facts = page.run("document.getElementById('facts').innerText")
    for one in ("ed25519-", "mixed", "1.0", "vectors", "town (string)", "high, low, middle"):
        assert one in facts
    page.run("document.getElementById('key').focus()")
    for text in ("31", "", "Köln", "first"):
        page.press("Tab")
        if text:
            page.write(text)
    page.press("Enter", "\r")
    page.until("document.querySelectorAll('tbody tr').length == 1")

    rows, expected = (
        json.loads((VECTORS / "mixed" / f"{one}.json").read_text(encoding="utf-8"))
        for one in ("rows", "expected")
    )
    with (tmp_path / "rows.csv").open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(rows)
        writer.writerows(zip(*rows.values(), strict=True))
    page.choose("#csv", tmp_path / "rows.csv")
    page.until("document.querySelectorAll('tbody tr').length == 500")
    lines = "Array.from(document.querySelectorAll('tbody tr')"
    heads = "Array.from(document.querySelectorAll('thead th'), c => c.textContent)"
    assert page.run(heads)[1:5] == ["label", "P(high)", "P(low)", "P(middle)"]
    answers = page.run(f"{lines}, r => Array.from(r.cells, c => c.textContent).slice(1, 5))")
    assert [one[0] for one in answers] == expected["labels"]
    for (_, *told), wanted in zip(answers, expected["probabilities"], strict=True):
        assert [float(one) for one in told] == pytest.approx(wanted, abs=1e-6)
    page.run("document.querySelectorAll('tbody tr').forEach((r, i) => i > 8 && r.remove())")
    for dark in (False, True):
        picture = tmp_path / f"page-{dark}.png"
        page.picture(picture, dark=dark)
        assert picture.stat().st_size > 20_000


def test_what_must_be_refused_is(page):
    said = give(page, "refused/tampered.onnx", "keys/p256.pem", "signed/text.p256.sig")
    assert said.startswith("Refused: the model was changed after it was signed")
    assert page.run("document.getElementById('ask').hidden")
    cases = json.loads((VECTORS / "cases.json").read_text(encoding="utf-8"))
    script = """
      (async () => {
        const { verify, readKey } = await import('/src/verify.js');
        const { blake3 } = await import('/noble/blake3.js');
        const got = (name) => fetch('/v/' + name);
        const bytes = async (name) => new Uint8Array(await (await got(name)).arrayBuffer());
        const wrong = [];
        for (const one of await (await fetch('/v/cases.json')).json()) {
          let taken = true;
          try {
            const key = await readKey(await (await fetch('/v/' + one.key)).text());
            const beside = one.signature ? await bytes(one.signature) : undefined;
            await verify(await bytes(one.model), beside, [key], blake3);
          } catch (error) {
            taken = error.name === 'SafeSerialError' ? false : String(error);
          }
          if (taken !== one.accept) wrong.push([one.name, taken]);
        }
        window.found = JSON.stringify(wrong);
      })()
    """
    assert len(cases) > 80
    page.run(f"{script}; 1")
    assert json.loads(page.until("window.found")) == []


def test_an_artifact_and_hostile_words(page, tmp_path):
    evil = "<img src=x onerror=\"document.title='had'\">"
    key = ss.EcdsaKey.generate()
    data = (VECTORS / "text" / "model.onnx").read_bytes()
    ss.dump(data, tmp_path / "m.safeserial", keyring=ss.Keyring([key]), format="onnx",
            name="judge", metadata={"note": evil})  # fmt: skip
    (tmp_path / "k.pem").write_bytes(key.public.to_pem())
    assert give(page, tmp_path / "m.safeserial", tmp_path / "k.pem") == "The signature is right."
    assert evil in page.run("document.getElementById('facts').innerText")
    assert page.run("document.title") == "A signed model"


def test_files_are_dropped_by_mouse(page, tmp_path):
    """As from a file manager: over the page it says that it takes them, and then it does."""
    over = "document.getElementById('drop').classList.contains('over')"
    for name in ("mixed/model.onnx", "signed/mixed.p256.sig", "keys/p256.pem"):
        shutil.copy(VECTORS / name, tmp_path)
    rows = tmp_path / "rows.csv"
    rows.write_text('town,age,class,more,fare\n"Köln",31,first,,\nParis,,second,x,8.5\n', "utf-8")
    early = page.drop("#drop", rows)
    next(early)
    next(early, None)
    page.until(f"{STATUS}.innerText.startsWith('Rows are answered when')")
    dropping = page.drop("#drop", *(tmp_path / one for one in ("model.onnx", "mixed.p256.sig")))
    next(dropping)
    page.until(over)
    next(dropping, None)
    page.until(f"{STATUS}.innerText == 'Now give the public key of the sender.'")
    assert not page.run(over)
    assert page.run("document.getElementById('model').files[0].name") == "model.onnx"
    for one in (page.drop("h1", tmp_path / "p256.pem"), page.drop("#facts", rows)):
        list(one)
        page.until(f"{STATUS}.className == 'good'")
    page.until("document.querySelectorAll('tbody tr').length == 2")
    uneven = tmp_path / "uneven.CSV"
    uneven.write_text("age,fare,town,class\n1,2,Köln\n", "utf-8")
    list(page.drop("#drop", uneven))
    page.until(f"{STATUS}.innerText.includes('has 3 cells, not 4')")
    tampered = tmp_path / "tampered.onnx"
    data = bytearray((tmp_path / "model.onnx").read_bytes())
    data[len(data) // 2] ^= 1
    tampered.write_bytes(data)
    list(page.drop("#drop", tampered, rows))
    page.until(f"{STATUS}.innerText.startsWith('Refused: the model was changed')")
    assert page.run("document.getElementById('answers').hidden")


def test_columns_of_a_bare_array_are_taken_in_their_order(page, tmp_path):
    """Whatever they are called: numbers as names are no places."""
    give(page, "forest/model.onnx", "keys/p256.pem", "signed/forest.p256.sig")
    row = json.loads((VECTORS / "forest" / "rows.json").read_text(encoding="utf-8"))["X"][0]
    answers = set()
    for names in ("a,b,c,d,e,f", "5,4,3,2,1,0"):
        (tmp_path / "rows.csv").write_text(f"{names}\n{','.join(map(str, row))}\n", "utf-8")
        list(page.drop("#drop", tmp_path / "rows.csv"))
        page.until("document.querySelectorAll('tbody tr').length == 1")
        answers.add(page.run("document.querySelector('tbody').innerText"))
        page.run("document.querySelector('tbody').replaceChildren()")
    assert len(answers) == 1


@contextlib.contextmanager
def shown(*arguments, cache, path=None):
    """Run `safeserial show`; yields its process and address."""
    command = [sys.executable, "-m", "safeserial", "show", *map(str, arguments)]
    settings = {**os.environ, "XDG_CACHE_HOME": str(cache), **({"PATH": path} if path else {})}
    served = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=settings
    )
    try:
        yield served, served.stdout.readline().strip()
    finally:
        served.terminate()
        served.communicate(timeout=30)


@pytest.fixture
def woods(tmp_path):
    """A model signed a moment ago, and its sender's key."""
    model = tmp_path / "model.onnx"
    shutil.copy(VECTORS / "forest" / "model.onnx", model)
    key = ss.Ed25519Key.generate()
    ss.sign(model, keyring=ss.Keyring([key]), name="woods")
    (tmp_path / "k.pem").write_bytes(key.public.to_pem())
    return model, "--key", tmp_path / "k.pem"


def test_show_without_node_hands_the_page_a_model(packages, woods, tmp_path):
    nowhere = tmp_path / "nowhere"
    nowhere.mkdir()
    given = (*woods, "--engine", packages)
    with shown(*given, cache=nowhere, path=str(nowhere)) as (_, address):
        window = Page(tmp_path / "profile")
        try:
            window.call("Page.navigate", url=address)
            window.until(f"{STATUS}?.className")
            assert window.run(f"{STATUS}.innerText") == "The signature is right."
            assert "woods" in window.run("document.getElementById('facts').innerText")
            (tmp_path / "rows.csv").write_text("a,b,c,d,e,f\n" + "0.5,1,0,2,0,1\n" * 3)
            window.choose("#csv", tmp_path / "rows.csv")
            window.until("document.querySelectorAll('tbody tr').length == 3")
        finally:
            window.close()
        port = int(address.split(":")[2].split("/")[0])
        assert status_of(port, "/", f"127.0.0.1:{port}") == 200
        assert status_of(port, "/given/model", f"evil.example:{port}") == 421
        assert status_of(port, "/../../../../etc/passwd", f"127.0.0.1:{port}") == 404
        assert status_of(port, "/%2e%2e/k.pem", f"127.0.0.1:{port}") == 404
    assert not list(nowhere.iterdir())


def test_show_says_what_to_do_where_there_is_no_engine(woods, tmp_path):
    nowhere = tmp_path / "nowhere"
    nowhere.mkdir()
    (tmp_path / "evil.tgz").write_bytes(b"\x1f\x8b no archive of theirs")
    for more, said in (
        ((), "there is no npm here"),
        (("--engine", tmp_path / "evil.tgz"), "is not the archive of onnxruntime-web 1."),
        (("--engine", nowhere), "there is no onnxruntime-web 1."),
        (("--page", nowhere), "is not the page"),
    ):
        script = "import sys; sys.executable = ''; from safeserial.__main__ import main; main()"
        done = subprocess.run(
            [sys.executable, "-c", script, "show", *map(str, (*woods, *more))],
            env={**os.environ, "XDG_CACHE_HOME": str(nowhere), "PATH": str(nowhere)},
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert done.returncode == 2
        assert said in done.stderr
        assert "hint:" in done.stderr
    assert not list(nowhere.iterdir())


def test_the_page_is_written_with_an_engine_that_npm_fetches_once(packages, site, tmp_path):
    def written(name, **settings):
        command = [sys.executable, "-m", "safeserial", "show", "--write-page", tmp_path / name]
        environment = {**os.environ, "XDG_CACHE_HOME": str(tmp_path / "cache"), **settings}
        return subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=600, check=False
        )

    first = written("first")
    if "npm could not fetch" in first.stderr:
        pytest.skip("npm reaches no registry")
    assert first.returncode == 0, first.stderr
    assert "fetching onnxruntime-web" in first.stderr
    again = written("again", npm_config_offline="true", PATH=str(tmp_path))
    assert again.returncode == 0, again.stderr
    assert "fetching" not in again.stderr
    shutil.rmtree(site / "v")  # the vectors
    built = {one.relative_to(site): one.read_bytes() for one in site.rglob("*") if one.is_file()}
    for name in ("first", "again"):
        place = tmp_path / name
        found = {one.relative_to(place): one for one in place.rglob("*") if one.is_file()}
        assert {one: path.read_bytes() for one, path in found.items()} == built


def archive():
    """Make what npm takes for a package: an archive with a package.json, and other code."""
    whole = io.BytesIO()
    with tarfile.open(fileobj=whole, mode="w:gz") as packed:
        for name, data in (
            ("package/package.json", b'{"name": "onnxruntime-web", "version": "1.30.0"}'),
            ("package/dist/ort.wasm.min.mjs", b"fetch('https://evil.example')"),
        ):
            member = tarfile.TarInfo(name)
            member.size = len(data)
            packed.addfile(member, io.BytesIO(data))
    return whole.getvalue()


class Registry(http.server.BaseHTTPRequestHandler):
    """A registry in whose packages there is other code."""

    def do_GET(self):
        name = self.path.lstrip("/").replace("%2f", "/")
        place = f"http://127.0.0.1:{self.server.server_port}/{name}.tgz"
        versions = {
            one: {"name": name, "version": one, "dist": {"tarball": place}}
            for one in ("1.30.0", "2.4.0")
        }
        said = json.dumps({"name": name, "dist-tags": {}, "versions": versions}).encode()
        found = archive() if name.endswith(".tgz") else said
        self.send_response(200)
        self.send_header("Content-Length", str(len(found)))
        self.end_headers()
        self.wfile.write(found)

    def log_message(self, *arguments):
        pass


def test_a_registry_with_other_code_is_not_believed(packages, tmp_path):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Registry)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    environment = {
        **os.environ, "XDG_CACHE_HOME": str(tmp_path), "npm_config_cache": str(tmp_path / "npm"),
        "npm_config_registry": f"http://127.0.0.1:{server.server_port}/",
        "npm_config_fetch_retries": "0",
    }  # fmt: skip
    command = [sys.executable, "-m", "safeserial", "show", "--write-page", tmp_path / "page"]

    def tell():
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=120, check=False
        )
        assert done.returncode == 2
        assert "hint:" in done.stderr
        assert not (tmp_path / "page").exists()
        assert not list(tmp_path.glob("safeserial/page/*"))
        return done.stderr

    try:
        assert "what npm fetched" in tell()
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
    environment["npm_config_cache"] = str(tmp_path / "other")
    assert "npm could not fetch" in tell()


def test_a_page_that_stands_ready_is_served(site, woods, tmp_path):
    with shown(*woods, "--page", site, cache=tmp_path) as (_, address):
        port = int(address.split(":")[2].split("/")[0])
        for name in ("/", "/page.js", "/ort/ort.wasm.min.mjs", "/given/key"):
            assert status_of(port, name, f"127.0.0.1:{port}") == 200


def status_of(port, path, host):
    asking = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        asking.request("GET", path, headers={"Host": host})
        return asking.getresponse().status
    finally:
        asking.close()


@pytest.fixture(autouse=True)
def vectors(request):
    """The vectors, served beside the page."""
    if "site" in request.fixturenames:
        shutil.copytree(VECTORS, request.getfixturevalue("site") / "v")
