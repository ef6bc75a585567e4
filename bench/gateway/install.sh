#!/bin/sh
# Installs what bench/gateway.py compares with and is built by: nginx and a C compiler, from Debian's own packages.
set -eu
export DEBIAN_FRONTEND=noninteractive
apt-get update -q
# The benchmark starts its own nginx on a free port; the packaged service, where apt starts it, is not used.
apt-get install -y -q --no-install-recommends nginx-light gcc libc6-dev openssl
