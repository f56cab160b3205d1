"""What this machine is: memory, processors, a graphics card; and which model would fit.

Asks the system, no network. Knows nothing of editors.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass

from zeta_context.runners.models import KNOWN_MODELS, KnownModel

SHARE_FOR_A_MODEL = 0.4
"""Of the memory; the editor, the servers and the browser need the rest."""

CPU_PARAMETERS = 1_000_000_000
"""Without a graphics card larger models answer too late to be of use."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """`memory_bytes` and `gpu_bytes` are 0 where they cannot be told."""

    processors: int
    memory_bytes: int
    gpu: str = ""
    gpu_bytes: int = 0


def look_at_machine() -> Machine:
    """This machine."""
    gpu, gpu_bytes = _find_gpu()
    return Machine(
        processors=os.cpu_count() or 1,
        memory_bytes=_count_memory(),
        gpu=gpu,
        gpu_bytes=gpu_bytes,
    )


def _count_memory() -> int:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):
        return 0


def _find_gpu() -> tuple[str, int]:
    program = shutil.which("nvidia-smi")
    if program is None:
        return "", 0
    query = [program, "--query-gpu=name,memory.total", "--format=csv,noheader,nounits"]
    try:
        done = subprocess.run(query, capture_output=True, text=True, timeout=10, check=True)
        name, mebibytes = done.stdout.splitlines()[0].rsplit(",", 1)
        return name.strip(), int(mebibytes) * 1024**2
    except (OSError, subprocess.SubprocessError, ValueError, IndexError):
        return "", 0


def propose_model(machine: Machine) -> KnownModel | None:
    """The largest known model for next edits that fits."""
    fitting = [
        one
        for one in KNOWN_MODELS
        if one.purpose == "next edits" and not one.is_gated and _fits(one, machine)
    ]
    return max(fitting, key=lambda one: one.parameters, default=None)


def fits_memory(memory_bytes: int, machine: Machine) -> bool:
    """Whether a model that takes so much memory has room beside everything else."""
    return memory_bytes <= (machine.gpu_bytes or machine.memory_bytes * SHARE_FOR_A_MODEL)


def _fits(model: KnownModel, machine: Machine) -> bool:
    is_quick_enough = machine.gpu_bytes > 0 or model.parameters <= CPU_PARAMETERS
    return is_quick_enough and fits_memory(model.memory_bytes, machine)
