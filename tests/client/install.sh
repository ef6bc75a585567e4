#!/usr/bin/env bash
# Makes .clients: the clients of requirements/clients.lock in an environment of their own, so that none of them is needed to
# install or run Pointsman. Does nothing where it is there in the versions asked for. Needs Python 3.11+.
set -euo pipefail
cd "$(dirname "$0")/../.."
python=${PYTHON:-python3}
wanted=$(cat requirements/clients.lock tests/client/install.sh | sha256sum)
wanted="$wanted $("$python" -V)"
[ "$(cat .clients/.installed 2>/dev/null)" != "$wanted" ] || exit 0

rm -rf .clients
"$python" -m venv .clients/venv
.clients/venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/clients.lock
echo "$wanted" > .clients/.installed
