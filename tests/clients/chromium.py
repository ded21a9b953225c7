# SPDX-License-Identifier: BSD-3-Clause
"""A real browser without a window, driven over a pipe as a person would: files, keys, eyes."""

import base64
import contextlib
import json
import os
import subprocess
import threading
import time
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

from tests.inspection.browser import find

_QUIET = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --hide-scrollbars "
    "--disable-background-networking --disable-component-update --disable-sync "
    "--disable-dev-shm-usage --remote-debugging-pipe"
).split()


class _Files(SimpleHTTPRequestHandler):
    extensions_map = {  # noqa: RUF012 - the attribute that the base class wants
        **SimpleHTTPRequestHandler.extensions_map,
        ".js": "text/javascript", ".mjs": "text/javascript", ".wasm": "application/wasm",
    }  # fmt: skip

    def log_message(self, *arguments):
        self.server.asked.append(self.path)


@contextlib.contextmanager
def serving(folder):
    """Serve a folder on loopback; yields its address and the list of what was asked for."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Files, directory=str(folder)))
    server.asked = []
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/", server.asked
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class Page:
    """A page in the browser."""

    def __init__(self, profile):
        mine_in, its_out = os.pipe()
        its_in, mine_out = os.pipe()
        options = " ".join([*_QUIET, f"--user-data-dir='{profile}'", "about:blank"])
        script = f"exec '{find()}' {options} 3<&{its_in} 4>&{its_out} 2>/dev/null"
        # The browser reads its orders from descriptor 3 and answers on 4.
        self._process = subprocess.Popen(["bash", "-c", script], pass_fds=(its_in, its_out))
        os.close(its_in)
        os.close(its_out)
        self._in, self._out = os.fdopen(mine_in, "rb"), os.fdopen(mine_out, "wb")
        self._buffer, self._count, self._session = b"", 0, None
        self.events = []
        target = self.call("Target.getTargets")["targetInfos"][0]["targetId"]
        attached = self.call("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "DOM", "Log"):
            self.call(f"{domain}.enable")

    def call(self, method, **params):
        """Give an order and wait for its result."""
        self._count += 1
        order = {"id": self._count, "method": method, "params": params}
        if self._session:
            order["sessionId"] = self._session
        self._out.write(json.dumps(order).encode() + b"\0")
        self._out.flush()
        while True:
            while b"\0" not in self._buffer:
                more = os.read(self._in.fileno(), 2**20)
                assert more, "the browser has gone"
                self._buffer += more
            text, _, self._buffer = self._buffer.partition(b"\0")
            said = json.loads(text)
            if said.get("id") == self._count:
                assert "error" not in said, said
                return said["result"]
            self.events.append(said)

    def run(self, script):
        """Evaluate a script; return its value."""
        found = self.call("Runtime.evaluate", expression=script, returnByValue=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def until(self, script):
        """Wait until a script says something true."""
        for _ in range(600):
            found = self.run(script)
            if found:
                return found
            time.sleep(0.1)
        raise AssertionError(f"never true: {script}; {self.run('document.body.innerText')}")

    def choose(self, selector, path):
        """Choose a file in a field."""
        root = self.call("DOM.getDocument")["root"]["nodeId"]
        node = self.call("DOM.querySelector", nodeId=root, selector=selector)["nodeId"]
        self.call("DOM.setFileInputFiles", nodeId=node, files=[str(path)])

    def press(self, key, text=""):
        """Press a key and let it go."""
        codes = {"Tab": 9, "Enter": 13}
        what = {"key": key, "code": key, "windowsVirtualKeyCode": codes.get(key, 0)}
        down = {"type": "keyDown", **what, **({"text": text} if text else {})}
        self.call("Input.dispatchKeyEvent", **down)
        self.call("Input.dispatchKeyEvent", type="keyUp", **what)

    def drop(self, selector, *paths):
        """Drag files over a part of the page and let go; yields once while they hang over it."""
        found = f"document.querySelector({json.dumps(selector)})"
        self.run(f"{found}.scrollIntoView({{ block: 'center', behavior: 'instant' }})")
        place = json.loads(self.run(f"JSON.stringify({found}.getBoundingClientRect())"))
        x, y = place["x"] + place["width"] / 2, place["y"] + place["height"] / 2
        held = {"items": [], "files": [str(path) for path in paths], "dragOperationsMask": 1}
        for kind in ("dragEnter", "dragOver"):
            self.call("Input.dispatchDragEvent", type=kind, x=x, y=y, data=held)
        yield
        self.call("Input.dispatchDragEvent", type="drop", x=x, y=y, data=held)

    def write(self, text):
        """Write where the focus is."""
        self.call("Input.insertText", text=text)

    def picture(self, path, *, dark):
        """Paint the page as PNG."""
        scheme = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        self.call("Emulation.setEmulatedMedia", features=scheme)
        shot = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=True)
        path.write_bytes(base64.b64decode(shot["data"]))

    def close(self):
        """End the browser."""
        with contextlib.suppress(AssertionError, OSError):
            self._session = None
            self.call("Browser.close")
        self._process.wait(timeout=30)
        self._in.close()
        self._out.close()
