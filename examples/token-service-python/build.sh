#!/bin/sh
# Builds token-service.wasm. The tool is the one in .venv, or else the one on the path.
set -eu
cd "$(dirname "$0")"
tool=.venv/bin/componentize-py
[ -x "$tool" ] || tool=componentize-py
# The name keeps `import contract` the same whatever else is called `types` in the world.
exec "$tool" --wit-path wit --world token-service \
    --import-interface-name 'flytoken:source/types@0.1.1=contract' \
    componentize app --python-path . --output token-service.wasm
