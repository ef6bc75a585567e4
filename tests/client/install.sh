#!/usr/bin/env bash
# Makes .clients: the Python clients of requirements/clients.lock in a venv, the Node clients of tests/client/node beside it.
# Does nothing where both are there in the versions asked for. Needs Python 3.11+; Node comes as a wheel.
set -euo pipefail
cd "$(dirname "$0")/../.."
python=${PYTHON:-python3}
wanted=$(cat requirements/clients.lock tests/client/node/package-lock.json tests/client/install.sh | sha256sum)
wanted="$wanted $("$python" -V)"
[ "$(cat .clients/.installed 2>/dev/null)" != "$wanted" ] || exit 0

rm -rf .clients
"$python" -m venv .clients/venv
.clients/venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/clients.lock
cp tests/client/node/package.json tests/client/node/package-lock.json .clients
export PATH="$PWD/.clients/venv/bin:$PATH"
npm ci --prefix .clients --ignore-scripts --no-audit --no-fund --loglevel=error
node .clients/node_modules/@anthropic-ai/claude-code/install.cjs # links the program that npm brought for this machine
echo "$wanted" > .clients/.installed
