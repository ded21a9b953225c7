#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# sh predict.sh [--key FILE] [ROWS]: answer the rows of a file or of standard input, after `make`.
here=$(dirname "$0")
exec java -XX:+UseSerialGC -Djava.library.path="$here/target/native" -Dmodel.folder="$here" \
    -cp "$here/target/classes" model.Main "$@"
