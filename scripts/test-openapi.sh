#!/usr/bin/env bash
# Every OpenAPI document against the program in target/debug (or SENDLOG_BIN), by schemathesis: requests made from the
# document, right ones and wrong ones, whose answers must be what it says. CASES is about how many, over all documents;
# SEED another seed. Arguments name the documents: test-openapi.sh resend jetemail
set -euo pipefail
source "$(dirname "$0")/env.sh"

say "running schemathesis"
cd clients/python
exec .venv/bin/python openapi.py "$@"
