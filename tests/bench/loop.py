"""The whole loop on real weights: recorded sessions to a LoRA student of SmolLM2-135M.

Four of the recorded repositories are held out: nothing of them is trained on. Prints what each
stage came to, a table, and one line of JSON.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.bench.runner_weights import WeightsMissing, fetch_gguf

ROOT = Path(__file__).parents[2]

HELD_OUT = "boxoffice,feedreader,seedbank,tidewatch"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=80)
    parser.add_argument("--held-out-examples", type=int, default=60)
    parser.add_argument("--output", type=Path, default=ROOT / "out" / "loop-smoke")
    arguments = parser.parse_args()
    try:
        weights = fetch_gguf()
    except WeightsMissing as problem:
        print(f"skipped: {problem}", file=sys.stderr)
        return 2
    shutil.rmtree(arguments.output, ignore_errors=True)
    command = [sys.executable, "-m", "zeta_context.cli.main", "train", "loop"]
    command += [str(ROOT / "fixtures" / "sessions"), "--base", str(weights)]
    command += ["--output", str(arguments.output), "--hold-out", HELD_OUT]
    command += ["--rows", str(arguments.rows)]
    command += ["--held-out-examples", str(arguments.held_out_examples)]
    # Threads that wait for one another are to sleep, not to spin: the machine may be shared.
    environment = {"GOMP_SPINCOUNT": "0", "OMP_WAIT_POLICY": "PASSIVE", **os.environ}
    return subprocess.run(command, check=False, cwd=ROOT, env=environment).returncode


if __name__ == "__main__":
    sys.exit(main())
