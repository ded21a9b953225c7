#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Make a virtual environment with a pip that knows dependency groups.
# Usage: tools/bootstrap.sh FOLDER   (PYTHON=... chooses the interpreter)
set -eu

folder=${1:-.venv}

fail() {
    printf 'error: %s\nhint: %s\n' "$1" "$2" >&2
    exit 2
}

recent() {
    "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null
}

choose() {
    for candidate in ${PYTHON:-python3 python3.14 python3.13 python3.12 python3.11 python}; do
        if recent "$candidate"; then
            echo "$candidate"
            return
        fi
    done
    fail "no Python 3.11 or newer was found" "install one, or name it: make PYTHON=/path/to/python3 ..."
}

usable() {
    "$1" -c 'import ensurepip, venv' 2>/dev/null
}

if ! { [ -x "$folder/bin/python" ] && recent "$folder/bin/python" &&
    "$folder/bin/python" -m pip --version >/dev/null 2>&1; }; then
    python=$(choose)
    if ! usable "$python" && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        # Debian ships venv apart from Python.
        version=$("$python" -c 'import sys; print("python%d.%d" % sys.version_info[:2])')
        export DEBIAN_FRONTEND=noninteractive
        apt-get update -qq >&2
        apt-get install -y -qq "$version-venv" >&2 || apt-get install -y -qq python3-venv >&2
    fi
    usable "$python" || fail "$python cannot make virtual environments" "apt-get install python3-venv"
    "$python" -m venv --clear "$folder"
fi

# `pip install --group` came with pip 25.1.
if ! "$folder/bin/python" -c 'import sys, pip
sys.exit(tuple(map(int, pip.__version__.split(".")[:2])) < (25, 1))' 2>/dev/null; then
    "$folder/bin/python" -m pip install --quiet --upgrade 'pip>=25.1'
fi
