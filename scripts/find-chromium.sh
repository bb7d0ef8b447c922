#!/usr/bin/env bash
# Prints the path of the system's Chromium or Chrome; SENDLOG_CHROMIUM names another. The shell without a window is
# the same engine and a third quicker.
set -euo pipefail

for name in ${SENDLOG_CHROMIUM:+"$SENDLOG_CHROMIUM"} chromium-headless-shell chromium chromium-browser google-chrome \
    google-chrome-stable "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome"; do
    if command -v "$name"; then exit 0; fi
done
echo "error: no Chromium or Chrome on PATH: install one, or set SENDLOG_CHROMIUM to its path" >&2
exit 1
