#!/usr/bin/env bash
# Fits beside SciPy's on the same tables in one run. SciPy goes into a virtual environment of its own under target/.
set -euo pipefail
cd "$(dirname "$0")/../.."
venv=target/bench/scipy
if [ ! -e "$venv/ready" ]; then
  "${PYTHON:-python3}" -m venv "$venv"
  "$venv/bin/pip" install --quiet --disable-pip-version-check numpy==2.4.6 scipy==1.17.1
  touch "$venv/ready"
fi
"${CARGO:-cargo}" build --release --locked -p mixmake-fit --example speed
# One thread each for numpy: its small matrices gain nothing from more.
OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 "$venv/bin/python" bench/fit/scipy_peer.py target/release/examples/speed target/bench/fit "$@"
