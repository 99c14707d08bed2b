#!/bin/sh
# What every child relies on.
set -eu
curl --version >/dev/null
test -s /etc/ssl/certs/ca-certificates.crt
