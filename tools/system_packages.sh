#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Install what tests need of the operating system: Chromium, which shows the pages of `inspect --html`.
# Only where it is missing and where it can be done without asking; elsewhere it says what to do.
# Usage: tools/system_packages.sh   (CHROMIUM=... names a browser that is there already)
set -eu

say() {
    printf 'note: %s\nhint: %s\n' "$1" "$2" >&2
}

there() {
    for candidate in "${CHROMIUM:-}" chromium chromium-browser google-chrome; do
        if [ -n "$candidate" ] && command -v "$candidate" >/dev/null; then
            return 0
        fi
    done
    return 1
}

there && exit 0
skipped="without Chromium the tests that show a page in a browser are skipped"
if ! command -v apt-get >/dev/null; then
    say "$skipped" "install Chromium, or name a browser: CHROMIUM=/path/to/it make test"
    exit 0
fi
if [ "$(id -u)" = 0 ]; then
    as_root=""
elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
    as_root="sudo -n"
else
    say "$skipped" "sudo apt-get install chromium"
    exit 0
fi
printf 'note: installing Chromium, which tests show pages in\n' >&2
export DEBIAN_FRONTEND=noninteractive
# shellcheck disable=SC2086 - empty, or a command and its option
if ! { $as_root apt-get update -qq && $as_root apt-get install -y -qq --no-install-recommends chromium fonts-dejavu-core; } >/dev/null; then
    say "$skipped" "the installation failed; try: apt-get install chromium"
fi
there || say "$skipped" "name a browser: CHROMIUM=/path/to/it make test"
