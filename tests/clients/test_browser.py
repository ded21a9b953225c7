# SPDX-License-Identifier: BSD-3-Clause
"""The browser page, in a real browser: what it shows, what it refuses, by keyboard, as CSV."""

import csv
import http.client
import json
import shutil
import subprocess
import sys

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
    for one in ("ed25519-", "mixed", "1.0", "vectors", "town (string)"):
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
    cells = f"{lines}, r => [r.cells[1], r.cells[2]].map(c => c.textContent))"
    answers = page.run(cells)
    assert [one[0] for one in answers] == expected["labels"]
    for (_, told), wanted in zip(answers, expected["probabilities"], strict=True):
        assert [float(one) for one in told.split()] == pytest.approx(wanted, abs=1e-6)
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


def test_show_hands_the_page_a_model(site, tmp_path):
    model = tmp_path / "model.onnx"
    shutil.copy(VECTORS / "forest" / "model.onnx", model)
    key = ss.Ed25519Key.generate()
    ss.sign(model, keyring=ss.Keyring([key]), name="woods")
    (tmp_path / "k.pem").write_bytes(key.public.to_pem())
    command = [sys.executable, "-m", "safeserial", "show", model, "--page", site,
               "--key", tmp_path / "k.pem"]  # fmt: skip
    served = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        address = served.stdout.readline().strip()
        shown = Page(tmp_path / "profile")
        try:
            shown.call("Page.navigate", url=address)
            shown.until(f"{STATUS}?.className")
            assert shown.run(f"{STATUS}.innerText") == "The signature is right."
            assert "woods" in shown.run("document.getElementById('facts').innerText")
            (tmp_path / "rows.csv").write_text("a,b,c,d,e,f\n" + "0.5,1,0,2,0,1\n" * 3)
            shown.choose("#csv", tmp_path / "rows.csv")
            shown.until("document.querySelectorAll('tbody tr').length == 3")
        finally:
            shown.close()
        port = int(address.split(":")[2].split("/")[0])
        assert status_of(port, "/", f"127.0.0.1:{port}") == 200
        assert status_of(port, "/given/model", f"evil.example:{port}") == 421
        assert status_of(port, "/../../../../etc/passwd", f"127.0.0.1:{port}") == 404
        assert status_of(port, "/%2e%2e/k.pem", f"127.0.0.1:{port}") == 404
    finally:
        served.terminate()
        served.wait(timeout=30)
        served.stdout.close()


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
