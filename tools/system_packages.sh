#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Install what tests need of the operating system:
#   Chromium, which shows the pages of `inspect --html`; SoftHSM, a token behind PKCS#11 to sign with;
#   minisign, which detached signatures are measured beside; wrk, which `serve` is put under load with;
#   a compiler of C with OpenSSL and Jansson, for the client in C.
# With the word `clients` also, some 1.4 GB installed: Go, mono with NUnit, a JDK with JUnit, and crates
# of Rust, for the clients in these languages.  Their tests are skipped where there is none.
# Only where one is missing and where it can be done without asking; elsewhere it says what to do.
# Usage: tools/system_packages.sh [clients]   (CHROMIUM=... names a browser that is there already)
set -eu

say() {
    printf 'note: %s\nhint: %s\n' "$1" "$2" >&2
}

chromium_is_there() {
    for candidate in "${CHROMIUM:-}" chromium chromium-browser google-chrome; do
        if [ -n "$candidate" ] && command -v "$candidate" >/dev/null; then
            return 0
        fi
    done
    return 1
}

# need PACKAGES WHAT: note what is missing, for one call of apt-get.
missing=""
names=""
wanted="${1:-}"
need() {
    missing="$missing $1"
    names="${names:+$names, }$2"
}
look() {
    missing=""
    names=""
    chromium_is_there || need "chromium fonts-dejavu-core" Chromium
    command -v softhsm2-util >/dev/null || need softhsm2 SoftHSM
    command -v minisign >/dev/null || need minisign minisign
    command -v wrk >/dev/null || need wrk wrk
    { command -v gcc && command -v make && pkg-config --exists jansson libcrypto; } >/dev/null 2>&1 ||
        need "gcc make pkg-config libc6-dev libssl-dev libjansson-dev" "a compiler of C, OpenSSL and Jansson"
    [ "$wanted" = clients ] || return 0
    { command -v go && command -v gcc; } >/dev/null || need "golang-go gcc libc6-dev" Go
    { command -v mcs && ls /usr/lib/cli/nunit.framework-2.6.3; } >/dev/null 2>&1 ||
        need "mono-mcs mono-runtime libnunit-framework2.6.3-cil" "mono and NUnit"
    { command -v javac && command -v cc && command -v make && ls /usr/share/java/junit-jupiter-api.jar /usr/share/java/bcprov.jar; } >/dev/null 2>&1 ||
        need "default-jdk-headless gcc libc6-dev make junit5 libbcprov-java" "a JDK, JUnit and Bouncy Castle"
    # Cargo itself has to be newer than Debian 12's; where there is none, its client is not tested.
    { ! command -v cargo || (cd /usr/share/cargo/registry && ls -d openssl-0.* serde_json-1.* blake3-1.*); } >/dev/null 2>&1 ||
        need "gcc libc6-dev pkg-config librust-openssl-dev librust-serde-json-dev librust-blake3-dev" "crates of Rust"
}

look
[ -z "$missing" ] && exit 0
skipped="tests that need it are skipped: $names"
if ! command -v apt-get >/dev/null; then
    say "$skipped" "install it, or name a browser: CHROMIUM=/path/to/it make test"
    exit 0
fi
if [ "$(id -u)" = 0 ]; then
    as_root=""
elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
    as_root="sudo -n"
else
    say "$skipped" "sudo apt-get install$missing"
    exit 0
fi
printf 'note: installing for the tests: %s\n' "$names" >&2
export DEBIAN_FRONTEND=noninteractive
# shellcheck disable=SC2086 - empty, or a command and its option; a list of names
if ! { $as_root apt-get update -qq && $as_root apt-get install -y -qq --no-install-recommends $missing; } >/dev/null; then
    say "$skipped" "the installation failed; try: apt-get install$missing"
fi
look
[ -z "$missing" ] || say "tests that need it are skipped: $names" "a browser can be named: CHROMIUM=/path/to/it make test"
