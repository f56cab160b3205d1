"""What both torch engines need: buffers that grow, the greedy choice, memory errors, threads.

Knows nothing of models.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import torch

from zeta_context.errors import OutOfMemory
from zeta_context.runners.local.engine import Verified

_LEAST_CAPACITY = 256


def growing(buffer: torch.Tensor, length: int, *, used: int) -> torch.Tensor:
    """The buffer `[..., tokens, width]`, or one twice as long with what was used, if too short."""
    capacity = buffer.shape[-2]
    if length <= capacity:
        return buffer
    longer = max(_LEAST_CAPACITY, capacity)
    while longer < length:
        longer *= 2
    grown = buffer.new_empty((*buffer.shape[:-2], longer, buffer.shape[-1]))
    grown[..., :used, :] = buffer[..., :used, :]
    return grown


def pick(logits: torch.Tensor, given: Sequence[int], *, with_logprobs: bool) -> Verified:
    """The greedy tokens of the rows of `logits` while they equal what was given next."""
    chosen = logits.argmax(dim=-1).tolist()
    count = 1
    while count <= len(given) and chosen[count - 1] == given[count - 1]:
        count += 1
    count = min(count, len(chosen))
    tokens = tuple(int(token) for token in chosen[:count])
    if not with_logprobs:
        return Verified(tokens)
    rows = logits[:count].float()
    best = rows.max(dim=-1).values - rows.logsumexp(dim=-1)
    return Verified(tokens, tuple(float(one) for one in best.tolist()))


@contextmanager
def memory_errors() -> Iterator[None]:
    """Raise OutOfMemory for torch's and Python's own errors of that kind."""
    try:
        yield
    except (torch.OutOfMemoryError, MemoryError) as problem:
        raise OutOfMemory("the device has no memory left for the model's next pass") from problem
    except RuntimeError as problem:
        if "alloc" in str(problem) and "memory" in str(problem):
            raise OutOfMemory("there is no memory left for the model's next pass") from problem
        raise


def describe_device(device: torch.device, dtype: torch.dtype) -> str:
    """Device, data type and, on a CPU, threads: `cpu bfloat16, 2 threads`."""
    name = f"{device.type} {str(dtype).removeprefix('torch.')}"
    return f"{name}, {torch.get_num_threads()} threads" if device.type == "cpu" else name


def usable_cores() -> int:
    """Physical cores this process may use: sibling threads of one core slow each other down.

    Counts what the scheduler allows and what a control group's quota leaves.
    """
    allowed = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else None
    count = len(allowed) if allowed else os.cpu_count() or 1
    cores = set()
    for number in allowed or ():
        topology = Path(f"/sys/devices/system/cpu/cpu{number}/topology/thread_siblings_list")
        try:
            cores.add(topology.read_text(encoding="ascii").strip())
        except OSError:
            cores.add(str(number))
    if cores:
        count = len(cores)
    quota = _quota()
    return max(1, min(count, quota) if quota else count)


def _quota() -> int | None:
    """Whole processors that the control group may use, None when it is not limited."""
    try:
        text = Path("/sys/fs/cgroup/cpu.max").read_text(encoding="ascii")
    except OSError:
        return None
    found = re.fullmatch(r"(\d+) (\d+)\s*", text)
    return max(1, int(found[1]) // int(found[2])) if found else None


def choose_dtype(device: torch.device) -> torch.dtype:
    """The data type that is fastest where results stay good: on a CPU, by a short measurement."""
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16
    if device.type == "mps":
        return torch.float16
    return min((torch.bfloat16, torch.float32), key=_product_ms)


def choose_threads(dtype: torch.dtype) -> int:
    """The number of threads with which a matrix product is fastest now, at most a core each.

    On a busy machine more threads can be many times slower than one: each waits for the last.
    """
    most = usable_cores()
    counts = sorted({1, max(1, most // 2), most})
    was = torch.get_num_threads()
    times: dict[int, float] = {}
    try:
        for count in counts:
            torch.set_num_threads(count)
            times[count] = _product_ms(dtype)
    finally:
        torch.set_num_threads(was)
    return min(counts, key=lambda count: (times[count], -count))


def _product_ms(dtype: torch.dtype) -> float:
    """The median time of a layer-sized product, in milliseconds."""
    weight = torch.ones(1536, 1024, dtype=dtype)
    x = torch.ones(64, 1024, dtype=dtype)
    times: list[float] = []
    with torch.inference_mode():
        torch.nn.functional.linear(x, weight)
        end = time.perf_counter() + 0.06
        while len(times) < 5 or (time.perf_counter() < end and len(times) < 400):
            started = time.perf_counter()
            torch.nn.functional.linear(x, weight)
            times.append((time.perf_counter() - started) * 1000)
    return sorted(times)[len(times) // 2]
