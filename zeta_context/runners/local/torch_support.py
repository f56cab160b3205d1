"""What both torch engines need: buffers that grow, the greedy choice, memory errors, threads.

Knows nothing of models.
"""

from __future__ import annotations

import os
import re
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TypeVar

import torch

from zeta_context.errors import OutOfMemory
from zeta_context.runners.local.engine import Verified

_LEAST_CAPACITY = 256
_MEND = "a smaller or quantised one needs less, and so does a smaller `max_context`"


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
        raise OutOfMemory(f"the device has no memory left for the model; {_MEND}") from problem
    except RuntimeError as problem:
        if "alloc" in str(problem) and "memory" in str(problem):
            raise OutOfMemory(f"there is no memory left for the model; {_MEND}") from problem
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


def total_memory() -> int:
    """The machine's memory in bytes; where it does not tell, very little."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return 4 * 1024**3


def choose_dtype(device: torch.device) -> torch.dtype:
    """The data type that is fastest where results stay good: on a CPU, by a short measurement."""
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16
    if device.type == "mps":
        return torch.bfloat16 if _can_compute(torch.bfloat16, device) else torch.float16
    products = {dtype: _product(dtype) for dtype in (torch.bfloat16, torch.float32)}
    times = _compare({dtype: (lambda: None, product) for dtype, product in products.items()})
    return min(times, key=lambda dtype: times[dtype])


def _can_compute(dtype: torch.dtype, device: torch.device) -> bool:
    """Whether the device takes a data type: bfloat16 came to Apple's with macOS 14."""
    try:
        one = torch.ones(8, 8, dtype=dtype, device=device)
        return bool((one @ one)[0, 0] == 8)
    except (RuntimeError, TypeError):
        return False


def wait_for(device: torch.device) -> None:
    """Wait until the device has computed what it was given; a processor always has."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()


def give_back_memory(device: torch.device) -> None:
    """Let other programs have what torch keeps for itself of a device's memory."""
    if device.type == "cuda":
        torch.cuda.empty_cache()
    elif device.type == "mps":
        torch.mps.empty_cache()


def choose_threads(dtype: torch.dtype) -> int:
    """The number of threads for matrix products, at most a core each.

    As many as there are cores, unless fewer are clearly faster now: on a busy machine each thread
    waits for the last.
    """
    most = usable_cores()
    counts = sorted({1, max(1, most // 2), most})
    was = torch.get_num_threads()
    product = _product(dtype)
    try:
        times = _compare(
            {count: (partial(torch.set_num_threads, count), product) for count in counts}
        )
    finally:
        torch.set_num_threads(was)
    fastest = min(times.values())
    return max(count for count in counts if times[count] <= _CLEARLY * fastest)


_ROUNDS = 5
_CLEARLY = 1.2

_Key = TypeVar("_Key")


def _compare(
    contestants: dict[_Key, tuple[Callable[[], object], Callable[[], object]]],
) -> dict[_Key, float]:
    """The time of each, in milliseconds: the median over some rounds of the best in a round.

    They take turns, so that what else the machine does hits all of them. Each is a preparation,
    which is not timed, and what is.
    """
    bests: dict[_Key, list[float]] = {key: [] for key in contestants}
    for _ in range(_ROUNDS):
        for key, (prepare, run) in contestants.items():
            prepare()
            run()
            times: list[float] = []
            end = time.perf_counter() + 0.015
            while len(times) < 3 or (time.perf_counter() < end and len(times) < 100):
                started = time.perf_counter()
                run()
                times.append((time.perf_counter() - started) * 1000)
            bests[key].append(min(times))
    return {key: statistics.median(found) for key, found in bests.items()}


def _product(dtype: torch.dtype) -> Callable[[], object]:
    """A matrix product of a layer's size, to be timed."""
    weight = torch.ones(1536, 1024, dtype=dtype)
    x = torch.ones(64, 1024, dtype=dtype)

    def run() -> object:
        with torch.inference_mode():
            return torch.nn.functional.linear(x, weight)

    return run
