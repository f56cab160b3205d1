"""Measures the local runner against what people run today: `make bench-runner`.

Real weights (see `runner_weights`), real prompts (see `runner_cases`), answers forced to the true
ones (see `runner_sides`); all sides take turns on each prompt in one process. `cold` means that
nothing was read before; a `successor` follows on the prompt of a keystroke or so earlier, and
every side keeps its cache. Of two successors in a row one has another answer than its
predecessor, which no side is told. Ratios are medians of paired ratios; over 1 means that ours is
faster. The best setting of the others is chosen for each prompt after the fact, in their favour.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import platform
import random
import statistics
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import zip_longest
from pathlib import Path
from typing import Any

import torch

from tests.bench import runner_cases
from tests.bench.runner_cases import KINDS, Case
from tests.bench.runner_quants import quantise
from tests.bench.runner_report import KEYS, Row, print_by_kind, print_table, summarize
from tests.bench.runner_sides import (
    CountingEngine,
    ForcedFlatEngine,
    ForcedLlamaEngine,
    ForcedStaticEngine,
    Generate,
    LlamaCpp,
    Ours,
    Question,
    Side,
    Timing,
    clock,
)
from tests.bench.runner_weights import WEIGHTS, WeightsMissing, fetch_gguf
from zeta_context.predict.proposers.model import ModelProposer
from zeta_context.prompt.formats.zeta1 import FORMAT
from zeta_context.prompt.model_text import normalize
from zeta_context.runners.base import CancelToken, CompletionRequest
from zeta_context.runners.local import llama_library, loading
from zeta_context.runners.local.decoding import Decoding, Limits
from zeta_context.runners.local.drafter import Drafter
from zeta_context.runners.local.engine import Engine
from zeta_context.runners.local.model_files import inspect_model
from zeta_context.runners.local.prefixes import HeldSequence
from zeta_context.runners.local.runner import LocalRunner
from zeta_context.runners.local.tokenizer import ModelTokenizer
from zeta_context.runners.local.torch_support import choose_threads
from zeta_context.runners.local.unpacking import unpack_gguf
from zeta_context.runners.replay import ReplayRunner

LOOKUPS = (10, 32, 64)
NGRAMS: tuple[tuple[int, int] | None, ...] = (None, (12, 48), (4, 16))
ALL = 10_000
"""More questions of a kind than there are."""

CANCELS = 40
FLIP_TOKENS = 96
UNFORCED = 8


def main() -> None:
    """Run, print a table on the way, and write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--full", action="store_true", help="60 prompts instead of 16")
    parser.add_argument("--prompts", type=int, help="this many prompts")
    parser.add_argument("--threads", type=int, help="threads for every side")
    parser.add_argument(
        "--own-work",
        action="store_true",
        help="time what this process computes, in one thread: for a machine that is kept busy",
    )
    parser.add_argument("--dtype", default="bfloat16")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--minutes", type=float, help="begin no further question after so long")
    parser.add_argument("--json", type=Path, default=Path("out/bench-runner.json"))
    options = parser.parse_args()
    device = torch.device(options.device)
    if device.type == "cuda" and not torch.cuda.is_available():
        print("not measured: this machine has no CUDA device that torch can use")
        print(json.dumps(dict.fromkeys(KEYS)))
        return
    count = options.prompts or (60 if options.full else 16)
    if options.own_work:
        clock.count_own_work()
    threads = 1 if options.own_work else options.threads or choose_threads(torch.bfloat16)
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    started = time.perf_counter()
    try:
        bench = Bench(threads=threads, dtype=getattr(torch, options.dtype), device=device)
    except WeightsMissing as problem:
        print(f"not measured: {problem}")
        return
    minutes = options.minutes or (110 if options.full else 24)
    report = bench.run(count, until=started + 60 * minutes)
    report["seconds"] = round(time.perf_counter() - started)
    options.json.parent.mkdir(parents=True, exist_ok=True)
    options.json.write_text(json.dumps(report, indent=1), encoding="utf-8")
    rows = report.pop("rows")
    print_table(report.pop("table"))
    print_by_kind(report.pop("by_kind"))
    for key, value in report.items():
        if key not in KEYS:
            print(f"{key}: {value}")
    print(f"{len(rows)} answers in {report['seconds']} s, all of it in {options.json}")
    print(json.dumps({key: report[key] for key in KEYS}))


class Bench:
    """Everything loaded once: the same weights for every side."""

    def __init__(self, *, threads: int, dtype: torch.dtype, device: torch.device) -> None:
        gguf = fetch_gguf()
        files = unpack_gguf(inspect_model(gguf), WEIGHTS)
        self.directory = files.directory
        self.threads = threads
        self.dtype = dtype
        self.tokenizer = ModelTokenizer.from_directory(files.directory)
        self.device = device
        self.model = loading.load_weights(files, device, dtype)
        make = ForcedStaticEngine if device.type == "cuda" else ForcedFlatEngine
        self.engine: ForcedStaticEngine | ForcedFlatEngine = make(
            loading.load_weights(files, device, dtype), context_window=8192
        )
        self.engine.cost = loading.calibrate(self.engine, budget_s=2.0, clock=clock.now)
        self.generates = [Generate(self.model, lookup, reuses=False) for lookup in LOOKUPS]
        self.kept = [Generate(self.model, lookup, reuses=True) for lookup in LOOKUPS]
        self.llamas: list[LlamaCpp] = []
        self.on_llama: Ours | None = None
        self.llama_files: list[Path] = []
        self.llama_note = "not installed"
        if device.type == "cpu" and llama_library.is_installed():
            self.llama_files = quantise(gguf, WEIGHTS)
            self.llama_note = llama_library.describe()

    def ours(self) -> Ours:
        """Ours with no memory of earlier questions."""
        nobody = ReplayRunner({})
        return Ours(self.engine, self.tokenizer, ModelProposer(nobody, FORMAT))

    def run(self, count: int, *, until: float) -> Row:
        """All measurements; what has not begun `until` then is left out."""
        limits = machine_limits()
        cold, chains = choose_questions(self.tokenizer, count)
        self._say(f"{len(cold)} prompts, {len(chains)} successions, {self.threads} threads")
        self._choose_llamas(cold)
        rows: list[Row] = []
        self._warm_up(cold[0])
        asked = 0
        for number, (question, chain) in enumerate(zip_longest(cold, chains)):
            if time.perf_counter() > until:
                self._say(f"out of time after {asked} questions")
                break
            if question is not None:
                rows += self._cold(question)
            if chain is not None:
                rows += self._succession(chain, is_changed=number % 2 == 1)
            asked = number + 1
        for llama in self.llamas:
            llama.close()
        self.llamas.clear()
        report = summarize(rows)
        report |= self._count_passes()
        report["flips_bf16"] = self._flips(cold)
        report["unforced"] = self._unforced(cold)
        report["cancel_ms"] = self._cancel_all(cold)
        report["cancel_p99_ms"] = max(one["p99"] for one in report["cancel_ms"].values())
        if self.device.type == "cuda":
            limits["gpu"] = torch.cuda.get_device_name()
        limits["clock"] = "own work" if clock.now is time.process_time else "time passed"
        report["machine"] = limits
        report["llamacpp"] = self.llama_note
        report["rows"] = rows
        return report

    def _say(self, text: str) -> None:
        print(f"[{time.strftime('%H:%M:%S')} load {os.getloadavg()[0]:.1f}] {text}", flush=True)

    def _choose_llamas(self, cold: Sequence[Question]) -> None:
        """The two fastest of llama.cpp's settings on one prompt with an edit: they go on."""
        if not self.llama_files:
            self._say(f"llama.cpp {self.llama_note}")
            return
        sample = next((one for one in cold if one.case.kind == "one_edit"), cold[0])
        found: list[tuple[float, Path, tuple[int, int] | None]] = []
        for path in self.llama_files:
            for ngram in NGRAMS:
                side = LlamaCpp(path, ngram, threads=self.threads)
                taken_ms = side.answer(sample).total_ms
                side.close()
                self._say(f"{side.name}: {taken_ms:.0f} ms")
                found.append((taken_ms, path, ngram))
        for _, path, ngram in sorted(found, key=lambda one: one[0])[:2]:
            self.llamas.append(LlamaCpp(path, ngram, threads=self.threads))
        path = min(found, key=lambda one: one[0])[1]
        engine = ForcedLlamaEngine(path, context_window=4096, threads=self.threads)
        engine.cost = loading.calibrate(engine, budget_s=2.0, clock=clock.now)
        nobody = ReplayRunner({})
        self.on_llama = Ours(
            engine,
            self.tokenizer,
            ModelProposer(nobody, FORMAT),
            name=f"our loop on llama.cpp {path.stem.split('.')[-1]}",
        )

    def _warm_up(self, question: Question) -> None:
        self.ours().answer(question)
        self.generates[0].answer(question)

    def _cold(self, question: Question) -> list[Row]:
        ours = self.ours()
        rows = [
            _row("cold", side, question, _asked(side, question))
            for side in self._in_turn([ours, *self.generates, *self._llama_sides()])
        ]
        reads = self._read_times(question)
        for row in rows:
            row["read_ms"] = reads.get(row["side"].split(",")[0])
        best = min(row["total_ms"] for row in rows if not row["side"].startswith("our"))
        mine = next(row for row in rows if row["side"] == "ours")
        self._say(
            f"cold {question.case.kind}: ours {mine['total_ms']:.0f} ms in {mine['passes']} "
            f"passes, best other {best:.0f} ms"
        )
        return rows

    def _read_times(self, question: Question) -> dict[str, float]:
        """Reading the prompt alone, in one go, as `generate` and as ours do it."""
        ids = torch.tensor([question.prompt], device=self.device)

        def generate() -> None:
            with torch.inference_mode():
                self.model(ids, use_cache=True, logits_to_keep=1)
            self._wait()

        def ours() -> None:
            self.engine.read(self.engine.new_sequence(), question.prompt)
            self._wait()

        return {"generate": _best_ms(generate), "ours": _best_ms(ours)}

    def _wait(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize()

    def _succession(self, chain: Sequence[Question], *, is_changed: bool) -> list[Row]:
        before, after = chain
        ours = self.ours()
        rows: list[Row] = []
        for side in self._in_turn([ours, *self.kept, *self._llama_sides()]):
            side.forget()
            if isinstance(side, Ours):
                side.proposer = ModelProposer(ReplayRunner({}), FORMAT)
            side.answer(before)
            if isinstance(side, Ours):
                case = before.case
                side.proposer.remember(case.prompt_input, case.rendered, case.region)
            row = _row("successor", side, after, side.answer(after))
            row["is_changed"] = is_changed
            rows.append(row)
            side.forget()
        mine = next(row for row in rows if row["side"] == "ours")
        best = min(row["total_ms"] for row in rows if not row["side"].startswith("our"))
        self._say(
            f"successor {after.case.kind}: ours {mine['total_ms']:.0f} ms in {mine['passes']} "
            f"passes, best other {best:.0f} ms"
        )
        return rows

    def _llama_sides(self) -> list[Any]:
        return [*self.llamas, *([self.on_llama] if self.on_llama is not None else [])]

    def _in_turn(self, sides: Sequence[Any]) -> list[Any]:
        order = list(sides)
        random.shuffle(order)
        return order

    def _decode(self, question: Question, drafts: Drafter | None, most: int) -> tuple[Any, float]:
        started = clock.now()
        held = HeldSequence(self.engine.new_sequence())
        limits = Limits(end_tokens=frozenset({0, 2}), max_tokens=most)
        decoding = Decoding(
            self.engine, self.tokenizer, held, question.prompt, limits, drafts=drafts
        )
        return decoding.run(), (clock.now() - started) * 1000

    def _drafter(self, question: Question) -> Drafter:
        request = ModelProposer(ReplayRunner({}), FORMAT).make_request(
            question.case.prompt_input, question.case.rendered
        )
        return Drafter(
            request.guesses,
            substitutions=request.substitutions,
            texts=(*request.texts, request.prompt),
        )

    def _count_passes(self) -> Row:
        """Passes of our loop over all questions there are, not only those that are timed."""
        cold, _ = choose_questions(self.tokenizer, 4 * ALL)
        ours = Ours(
            CountingEngine(self.engine.cost),
            self.tokenizer,
            ModelProposer(ReplayRunner({}), FORMAT),
        )
        found: dict[str, list[int]] = {kind: [] for kind in KINDS}
        for question in cold:
            ours.forget()
            found[question.case.kind].append(ours.answer(question).passes)
        for kind, passes in found.items():
            self._say(f"passes, {len(passes)} {kind}: mean {statistics.mean(passes):.2f}")
        return {f"passes_{kind}": statistics.median(passes) for kind, passes in found.items()}

    def _flips(self, cold: Sequence[Question]) -> float:
        """The share of unforced answers that differ with drafts from those without, in bfloat16."""
        flipped = answers = tokens = 0
        for question in cold[:6]:
            quick, _ = self._decode(question, self._drafter(question), FLIP_TOKENS)
            plain, _ = self._decode(question, None, FLIP_TOKENS)
            answers += 1
            flipped += quick.ids != plain.ids
            tokens += len(plain.ids)
        self._say(f"bf16 flips: {flipped} of {answers} answers of {tokens} tokens together")
        return round(flipped / answers, 3)

    def _unforced(self, cold: Sequence[Question]) -> Row:
        """What the small model says by itself, which wanders: up to 96 tokens."""
        ratios: list[float] = []
        passes: list[int] = []
        for question in cold[:UNFORCED]:
            out, ours_ms = self._decode(question, self._drafter(question), FLIP_TOKENS)
            passes.append(out.passes)
            ids = torch.tensor([question.prompt], device=self.device)
            started = clock.now()
            with torch.inference_mode():
                self.model.generate(
                    ids,
                    attention_mask=torch.ones_like(ids),
                    max_new_tokens=FLIP_TOKENS,
                    do_sample=False,
                    pad_token_id=0,
                    eos_token_id=[0, 2],
                    prompt_lookup_num_tokens=10,
                )
            ratios.append((clock.now() - started) * 1000 / ours_ms)
        return {
            "vs_lookup_10": round(statistics.median(ratios), 2),
            "passes": statistics.median(passes),
            "prompts": len(ratios),
        }

    def _cancel_all(self, cold: Sequence[Question]) -> Row:
        """On each engine of ours, by its name."""
        self.model = None
        gc.collect()
        engines = [self.engine, *([self.on_llama.engine] if self.on_llama is not None else [])]
        return {engine.name: self._cancel(engine, cold) for engine in engines}

    def _cancel(self, engine: Engine, cold: Sequence[Question]) -> dict[str, float]:
        """How long a running request takes to return once it is cancelled."""
        loaded = loading.LoadedModel(
            name="bench",
            engine=engine,
            tokenizer=self.tokenizer,
            end_tokens=frozenset({0, 2}),
            sha256={},
        )
        runner = LocalRunner(lambda: loaded, model="bench")
        times: list[float] = []
        for number in range(CANCELS):
            case = cold[number % len(cold)].case
            token = CancelToken()
            # A new beginning for each, so that there is a prompt to read.
            prompt = f"{number}\n" + case.rendered.text

            def ask(prompt: str = prompt, token: CancelToken = token) -> float:
                runner.complete(
                    CompletionRequest(prompt=prompt, max_output_tokens=512), cancel=token
                )
                return time.perf_counter()

            with ThreadPoolExecutor(1) as pool:
                asked = pool.submit(ask)
                time.sleep(0.02 + 0.03 * (number % 20))
                cancelled = time.perf_counter()
                token.cancel()
                times.append(max(0.0, (asked.result() - cancelled) * 1000))
        runner.close()
        times.sort()
        return {"p50": round(times[len(times) // 2], 1), "p99": round(times[-1], 1)}


def choose_questions(
    tokenizer: ModelTokenizer, count: int
) -> tuple[list[Question], list[tuple[Question, Question]]]:
    """Prompts of all kinds, evenly, and successions of two, from sessions nobody tuned on."""
    by_kind: dict[str, list[Case]] = {kind: [] for kind in KINDS}
    successions: list[tuple[Case, Case]] = []
    for path in runner_cases.find_sessions(tuning=False):
        states = runner_cases.read_states(path)
        cases = list(runner_cases.make_cases(states, path.stem, FORMAT))
        cases += [made for case in cases if (made := runner_cases.make_rename(case))]
        for case in cases:
            by_kind[case.kind].append(case)
        successions += runner_cases.make_successions(states, path.stem, FORMAT)
    randomly = random.Random(7)
    share = max(1, count // len(KINDS))
    of_kinds: list[list[Question]] = []
    for kind in KINDS:
        unique = {(case.rendered.text, case.region): case for case in by_kind[kind]}
        chosen = list(unique.values())
        randomly.shuffle(chosen)
        of_kinds.append([make_question(tokenizer, case) for case in chosen[:share]])
    cold = [one for row in zip_longest(*of_kinds) for one in row if one is not None]
    randomly.shuffle(successions)
    chains: list[tuple[Question, Question]] = []
    for number, (before, after) in enumerate(successions[:count]):
        first = before
        if number % 2 == 1:  # the answer changes: before, the model would have changed nothing
            first = replace(before, region=_unchanged(before), kind="no_edit")
        chains.append((make_question(tokenizer, first), make_question(tokenizer, after)))
    return cold, chains


def _unchanged(case: Case) -> str:
    start, end = case.rendered.editable
    return normalize(case.prompt_input.cursor_excerpt[start:end])


def make_question(tokenizer: ModelTokenizer, case: Case) -> Question:
    """The case in tokens; the answer goes on from the prompt's end."""
    prompt = tokenizer.encode(case.rendered.text)
    answer = FORMAT.encode(case.prompt_input, case.region)
    end = min(answer.index(stop) + len(stop) for stop in FORMAT.stop if stop in answer)
    (target,) = tokenizer.encode_after(prompt, [answer[:end]])
    return Question(case=case, prompt=prompt, target=target)


def _row(phase: str, side: Side, question: Question, timing: Timing) -> Row:
    case = question.case
    return {
        "phase": phase,
        "side": side.name,
        "kind": case.kind,
        "session": case.session,
        "question": f"{case.session}:{case.step}:{case.kind}",
        "prompt_tokens": len(question.prompt),
        "answer_tokens": len(question.target),
        "total_ms": round(timing.total_ms, 2),
        "passes": timing.passes,
        "drafted": timing.drafted,
        "accepted": timing.accepted,
        "asking_ms": timing.asking_ms,
        "drafting_ms": timing.drafting_ms,
        "load": round(os.getloadavg()[0], 2),
    }


def _asked(side: Side, question: Question) -> Timing:
    side.forget()
    return side.answer(question)


def _best_ms(run: Callable[[], None], times: int = 2) -> float:
    best = float("inf")
    for _ in range(times):
        started = clock.now()
        run()
        best = min(best, (clock.now() - started) * 1000)
    return best


def machine_limits() -> Row:
    """What the machine can do at best: copying memory, multiplying matrices."""
    block = torch.ones(64 * 1024 * 1024, dtype=torch.uint8)
    target = torch.empty_like(block)

    def copy() -> None:
        target.copy_(block)

    copy_ms = _best_ms(copy, 5)
    found: Row = {
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "load": [round(one, 2) for one in os.getloadavg()],
        "processor": platform.processor() or platform.machine(),
        "torch": torch.__version__,
        "copy_gib_per_s": round(2 * block.nbytes / 2**30 / (copy_ms / 1000), 1),
    }
    for name, dtype in (("fp32", torch.float32), ("bf16", torch.bfloat16)):
        one = torch.ones(1024, 1024, dtype=dtype)

        def multiply(one: torch.Tensor = one) -> None:
            torch.mm(one, one)

        product_ms = _best_ms(multiply, 5)
        found[f"gemm_{name}_gflops"] = round(2 * 1024**3 / product_ms / 1e6)
    return found


if __name__ == "__main__":
    main()
