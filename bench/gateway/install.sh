#!/usr/bin/env bash
# Installs what bench/gateway.py is built by and compares with: a C compiler, nginx and openssl from Debian's own packages, and
# other gateways in .bench, an environment of their own, in the versions of bench/gateway/peers. Python 3.11+.
#
#     bench/gateway/install.sh [--no-peers]
set -euo pipefail
cd "$(dirname "$0")/../.."
export DEBIAN_FRONTEND=noninteractive
packages="nginx-light gcc libc6-dev openssl"
[ "${1:-}" = --no-peers ] || command -v npm > /dev/null || packages="$packages nodejs npm"
# The benchmark starts its own nginx on a free port; the packaged service, where apt starts it, is not used.
# shellcheck disable=SC2086
dpkg -s $packages > /dev/null 2>&1 || { apt-get update -q; apt-get install -y -q --no-install-recommends $packages; }
[ "${1:-}" != --no-peers ] || exit 0

python=${PYTHON:-python3}
peers=bench/gateway/peers
wanted="$(cat $peers/peers.lock $peers/package-lock.json "$0" | sha256sum) $("$python" -V)"
[ "$(cat .bench/.installed 2> /dev/null)" != "$wanted" ] || exit 0
rm -rf .bench
"$python" -m venv .bench/venv
.bench/venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $peers/peers.lock
mkdir .bench/node
cp $peers/package.json $peers/package-lock.json .bench/node/
npm ci --prefix .bench/node --ignore-scripts --no-audit --no-fund
echo "$wanted" > .bench/.installed
