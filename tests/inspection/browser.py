# SPDX-License-Identifier: BSD-3-Clause
"""A real browser without a window, and the hostile text that is shown to it."""

import os
import re
import shutil
import subprocess

import pytest

EVIL = (
    "<script>document.title='had'</script>\x1b[2J\x9b31m\u202egnp.exe\u2066\udce9 "
    "[click](javascript:alert(1)) \"'><img src=x onerror=document.title='had'> &amp; \n\r\x00\x7f"
)
_NAMES = ("chromium", "chromium-browser", "google-chrome", "/usr/bin/chromium")
_QUIET = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --hide-scrollbars "
    "--disable-background-networking --disable-component-update --disable-sync "
    "--disable-dev-shm-usage"
).split()


def find():
    """Return the program, or skip: tools/system_packages.sh installs it where that is permitted."""
    named = os.environ.get("CHROMIUM")
    for name in (named,) if named else _NAMES:
        found = shutil.which(name)
        if found:
            return found
    return pytest.skip("there is no Chromium here; tools/system_packages.sh says how to get one")


def dump_dom(page, folder):
    """Return the document that the browser has made of a page."""
    return _run(["--dump-dom", page.as_uri()], folder).stdout.decode()


def screenshot(page, folder, *, dark=False, width=1000):
    """Return the picture that the browser paints of a page, as PNG."""
    picture = folder / "page.png"
    scheme = 0 if dark else 1
    options = [
        f"--blink-settings=preferredColorScheme={scheme}",
        f"--window-size={width},800",
        f"--screenshot={picture}",
    ]
    _run([*options, page.as_uri()], folder)
    return picture.read_bytes()


def _run(arguments, folder):
    command = [find(), *_QUIET, f"--user-data-dir={folder / 'profile'}", *arguments]
    return subprocess.run(command, capture_output=True, check=True, timeout=120)


def pixel(png, x, y):
    """Return the colour at a place of a PNG of 8 bits a channel."""
    import struct
    import zlib

    position, data = 8, b""
    while position < len(png):
        size, kind = struct.unpack(">I4s", png[position : position + 8])
        body = png[position + 8 : position + 8 + size]
        if kind == b"IHDR":
            width, _, depth, colour = struct.unpack(">IIBB", body[:10])
            assert depth == 8
            step = {2: 3, 6: 4}[colour]
        data += body if kind == b"IDAT" else b""
        position += 12 + size
    lines, before = zlib.decompress(data), bytes(width * step)
    for row in range(y + 1):
        start = row * (width * step + 1)
        line = lines[start + 1 : start + 1 + (x + 1) * step]  # all that it takes
        before = _unfiltered(lines[start], line, before, step)
    return tuple(before[x * step : x * step + 3])


def _unfiltered(kind, line, above, step):
    out = bytearray(line)
    for at, value in enumerate(line):
        left = out[at - step] if at >= step else 0
        corner = above[at - step] if at >= step else 0
        guess = (0, left, above[at], (left + above[at]) // 2, _paeth(left, above[at], corner))[kind]
        out[at] = (value + guess) & 255
    return bytes(out)


def _paeth(left, up, corner):
    guess = left + up - corner
    return min((abs(guess - one), order, one) for order, one in enumerate((left, up, corner)))[2]


def without_tags(html):
    """Return the text of a document."""
    from html import unescape

    return unescape(re.sub(r"<[^>]*>", "", html))
