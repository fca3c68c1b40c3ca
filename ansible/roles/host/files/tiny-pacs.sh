#!/bin/sh
# tiny-pacs.sh FOLDER UV PYTHON: makes FOLDER/tiny-pacs.tar, tiny-pacs with its locked dependencies for PYTHON, which is the
# testbed's. Apart from the testbed's own environment, as it needs a newer pydantic. Needs no rights.
set -eu
here=$(dirname "$0")
"$2" pip install -q --require-hashes --python "$3" --target "$1/tiny-pacs" -r "$here/tiny-pacs.lock"
tar -C "$1" -cf "$1/tiny-pacs.tar" tiny-pacs
