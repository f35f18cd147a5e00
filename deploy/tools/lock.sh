#!/usr/bin/env bash
# Pin every dependency again. The results carry versions only: no index, no download address.
set -euo pipefail
cd "$(dirname "$0")/../.."
pin() { .venv/bin/uv pip compile -q --python-version 3.11 --no-header --no-annotate --no-emit-index-url --no-emit-find-links "$@"; }

pin --all-extras pyproject.toml -o constraints.txt
pin deploy/world/synapse.in -o constraints-synapse.txt
(cd deploy/world/js && PATH="$PWD/../../../.venv/bin:$PATH" npm install --package-lock-only --silent --ignore-scripts --no-audit --no-fund)
