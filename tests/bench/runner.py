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
from pathlib import Path
from typing import Any

import torch

from tests.bench import runner_cases
from tests.bench.runner_cases import KINDS, Case
from tests.bench.runner_sides import (
    ForcedFlatEngine,
    Generate,
    LlamaCpp,
    Ours,
    Question,
    Side,
    Timing,
    quantise,
)
from tests.bench.runner_weights import WEIGHTS, WeightsMissing, fetch_gguf
from zeta_context.predict.proposers.model import ModelProposer
from zeta_context.prompt.formats.zeta1 import FORMAT
from zeta_context.prompt.model_text import normalize
from zeta_context.runners.base import CancelToken, CompletionRequest
from zeta_context.runners.local import loading
from zeta_context.runners.local.decoding import Decoding, Limits
from zeta_context.runners.local.drafter import Drafter
from zeta_context.runners.local.model_files import inspect_model
from zeta_context.runners.local.prefixes import HeldSequence
from zeta_context.runners.local.runner import LocalRunner
from zeta_context.runners.local.tokenizer import ModelTokenizer
from zeta_context.runners.replay import ReplayRunner

LOOKUPS = (10, 32, 64)
NGRAMS: tuple[tuple[int, int] | None, ...] = (None, (12, 48), (4, 16))
CANCELS = 40
FLIP_TOKENS = 96

Row = dict[str, Any]


def main() -> None:
    """Run, print a table on the way, and write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--full", action="store_true", help="60 prompts instead of 16")
    parser.add_argument("--prompts", type=int, help="this many prompts")
    parser.add_argument("--threads", type=int, help="threads for every side")
    parser.add_argument("--dtype", default="bfloat16")
    parser.add_argument("--json", type=Path, default=Path("out/bench-runner.json"))
    options = parser.parse_args()
    count = options.prompts or (60 if options.full else 16)
    threads = options.threads or loading.choose_threads(torch.bfloat16)
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    started = time.perf_counter()
    try:
        bench = Bench(threads=threads, dtype=getattr(torch, options.dtype))
    except WeightsMissing as problem:
        print(f"not measured: {problem}")
        return
    report = bench.run(count)
    report["seconds"] = round(time.perf_counter() - started)
    options.json.parent.mkdir(parents=True, exist_ok=True)
    options.json.write_text(json.dumps(report, indent=1), encoding="utf-8")
    rows = report.pop("rows")
    print(json.dumps(report, indent=1))
    print(f"{len(rows)} answers, all in {options.json}")


class Bench:
    """Everything loaded once: the same weights for every side."""

    def __init__(self, *, threads: int, dtype: torch.dtype) -> None:
        gguf = fetch_gguf()
        files = loading.unpack_gguf(inspect_model(gguf), WEIGHTS)
        self.directory = files.directory
        self.threads = threads
        self.dtype = dtype
        self.tokenizer = ModelTokenizer.from_directory(files.directory)
        device = torch.device("cpu")
        self.model = loading.load_weights(files, device, dtype)
        self.engine = ForcedFlatEngine(
            loading.load_weights(files, device, dtype), context_window=8192
        )
        self.engine.cost = loading.calibrate(self.engine, budget_s=2.0)
        self.generates = [Generate(self.model, lookup, reuses=False) for lookup in LOOKUPS]
        self.kept = [Generate(self.model, lookup, reuses=True) for lookup in LOOKUPS]
        self.llamas: list[LlamaCpp] = []
        self.llama_note = "not installed: pip install llama-cpp-python (compiles)"
        try:
            import llama_cpp
        except ImportError:
            pass
        else:
            self.llama_note = f"llama-cpp-python {llama_cpp.__version__}"
            self.llama_files = quantise(gguf, WEIGHTS)

    def ours(self) -> Ours:
        """Ours with no memory of earlier questions."""
        nobody = ReplayRunner({})
        return Ours(self.engine, self.tokenizer, ModelProposer(nobody, FORMAT))

    def run(self, count: int) -> Row:
        """All measurements."""
        limits = machine_limits()
        cold, chains = choose_questions(self.tokenizer, count)
        self._say(f"{len(cold)} prompts, {len(chains)} successions, {self.threads} threads")
        self._choose_llamas(cold)
        rows: list[Row] = []
        self._warm_up(cold[0])
        for question in cold:
            rows += self._cold(question)
        for number, chain in enumerate(chains):
            rows += self._succession(chain, is_changed=number % 2 == 1)
        for llama in self.llamas:
            llama.close()
        self.llamas.clear()
        report = summarize(rows)
        report["flips_bf16"] = self._flips(cold)
        report["unforced"] = self._unforced(cold)
        report["cancel_p99_ms"], report["cancel_p50_ms"] = self._cancel(cold)
        report["machine"] = limits
        report["rows"] = rows
        return report

    def _say(self, text: str) -> None:
        print(f"[{time.strftime('%H:%M:%S')} load {os.getloadavg()[0]:.1f}] {text}", flush=True)

    def _choose_llamas(self, cold: Sequence[Question]) -> None:
        """The three fastest of llama.cpp's settings on a prompt of each kind: they go on."""
        if not hasattr(self, "llama_files"):
            self._say(f"llama.cpp {self.llama_note}")
            return
        samples = [
            next(q for q in cold if q.case.kind == kind)
            for kind in KINDS
            if any(q.case.kind == kind for q in cold)
        ]
        found: list[tuple[float, Path, tuple[int, int] | None]] = []
        for path in self.llama_files:
            for ngram in NGRAMS:
                side = LlamaCpp(path, ngram, threads=self.threads)
                times: list[float] = []
                for question in samples:
                    side.forget()
                    times.append(side.answer(question).total_ms)
                side.close()
                self._say(f"{side.name}: {statistics.mean(times):.0f} ms")
                found.append((statistics.mean(times), path, ngram))
        for _, path, ngram in sorted(found, key=lambda one: one[0])[:3]:
            self.llamas.append(LlamaCpp(path, ngram, threads=self.threads))

    def _warm_up(self, question: Question) -> None:
        self.ours().answer(question)
        self.generates[0].answer(question)

    def _cold(self, question: Question) -> list[Row]:
        ours = self.ours()
        rows = [
            _row("cold", side, question, _asked(side, question))
            for side in self._in_turn([ours, *self.generates, *self.llamas])
        ]
        reads = self._read_times(question)
        for row in rows:
            row["read_ms"] = reads.get(row["side"].split(",")[0])
        best = min(row["total_ms"] for row in rows if row["side"] != "ours")
        mine = next(row for row in rows if row["side"] == "ours")
        self._say(
            f"cold {question.case.kind}: ours {mine['total_ms']:.0f} ms in {mine['passes']} "
            f"passes, best other {best:.0f} ms"
        )
        return rows

    def _read_times(self, question: Question) -> dict[str, float]:
        """Reading the prompt alone, in one go, as `generate` and as ours do it."""
        ids = torch.tensor([question.prompt])

        def generate() -> None:
            with torch.inference_mode():
                self.model(ids, use_cache=True, logits_to_keep=1)

        def ours() -> None:
            self.engine.read(self.engine.new_sequence(), question.prompt)

        return {"generate": _best_ms(generate), "ours": _best_ms(ours)}

    def _succession(self, chain: Sequence[Question], *, is_changed: bool) -> list[Row]:
        before, after = chain
        ours = self.ours()
        rows: list[Row] = []
        for side in self._in_turn([ours, *self.kept, *self.llamas]):
            side.forget()
            side.answer(before)
            if side is ours:
                case = before.case
                ours.proposer.remember(case.prompt_input, case.rendered, case.region)
            row = _row("successor", side, after, side.answer(after))
            row["is_changed"] = is_changed
            rows.append(row)
            side.forget()
        mine = next(row for row in rows if row["side"] == "ours")
        best = min(row["total_ms"] for row in rows if row["side"] != "ours")
        self._say(
            f"successor {after.case.kind}: ours {mine['total_ms']:.0f} ms in {mine['passes']} "
            f"passes, best other {best:.0f} ms"
        )
        return rows

    def _in_turn(self, sides: Sequence[Any]) -> list[Any]:
        order = list(sides)
        random.shuffle(order)
        return order

    def _decode(self, question: Question, drafts: Drafter | None, most: int) -> tuple[Any, float]:
        started = time.perf_counter()
        held = HeldSequence(self.engine.new_sequence())
        limits = Limits(end_tokens=frozenset({0, 2}), max_tokens=most)
        decoding = Decoding(
            self.engine, self.tokenizer, held, question.prompt, limits, drafts=drafts
        )
        return decoding.run(), (time.perf_counter() - started) * 1000

    def _drafter(self, question: Question) -> Drafter:
        request = ModelProposer(ReplayRunner({}), FORMAT).make_request(
            question.case.prompt_input, question.case.rendered
        )
        return Drafter(
            request.guesses, substitutions=request.substitutions, texts=(request.prompt,)
        )

    def _flips(self, cold: Sequence[Question]) -> Row:
        """Unforced answers with drafts against the same engine without, token by token."""
        flipped = answers = tokens = 0
        for question in cold[:6]:
            quick, _ = self._decode(question, self._drafter(question), FLIP_TOKENS)
            plain, _ = self._decode(question, None, FLIP_TOKENS)
            answers += 1
            flipped += quick.ids != plain.ids
            tokens += len(plain.ids)
        self._say(f"bf16 flips: {flipped} of {answers} answers")
        return {"flipped_answers": flipped, "answers": answers, "tokens": tokens}

    def _unforced(self, cold: Sequence[Question]) -> Row:
        """What the small model says by itself, which wanders: up to 96 tokens."""
        ratios: list[float] = []
        for question in cold[:4]:
            _, ours_ms = self._decode(question, self._drafter(question), FLIP_TOKENS)
            ids = torch.tensor([question.prompt])
            started = time.perf_counter()
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
            ratios.append((time.perf_counter() - started) * 1000 / ours_ms)
        return {"vs_lookup_10": round(statistics.median(ratios), 2), "prompts": len(ratios)}

    def _cancel(self, cold: Sequence[Question]) -> tuple[float, float]:
        """How long a running request takes to return once it is cancelled."""
        self.model = None
        gc.collect()
        loaded = loading.LoadedModel(
            name="bench",
            engine=self.engine,
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
        return round(times[int(0.99 * len(times))], 1), round(times[len(times) // 2], 1)


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
    cold: list[Question] = []
    for kind in KINDS:
        unique = {(case.rendered.text, case.region): case for case in by_kind[kind]}
        chosen = list(unique.values())
        randomly.shuffle(chosen)
        cold += [make_question(tokenizer, case) for case in chosen[:share]]
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


def summarize(rows: Sequence[Row]) -> Row:
    """The ratios that the bars are set for, and the table by kind."""
    cold = [row for row in rows if row["phase"] == "cold"]
    next_ones = [row for row in rows if row["phase"] == "successor"]
    report: Row = {
        "cold_vs_lookup": _ratio(cold, "generate", _total),
        "worst_kind_cold_vs_lookup": min(
            _ratio([row for row in cold if row["kind"] == kind], "generate", _total)
            for kind in {row["kind"] for row in cold}
        ),
        "decode_vs_lookup": _ratio(cold, "generate", _decode_part),
        "successor_vs_lookup": _ratio(next_ones, "generate", _total),
        "cold_vs_llamacpp": _ratio(cold, "llama.cpp", _total),
        "successor_vs_llamacpp": _ratio(next_ones, "llama.cpp", _total),
    }
    for key, kind in (
        ("passes_no_edit", "no_edit"),
        ("passes_one_edit", "one_edit"),
        ("passes_rename", "rename"),
        ("passes_insertion", "insertion"),
    ):
        passes = [row["passes"] for row in cold if (row["kind"], row["side"]) == (kind, "ours")]
        report[key] = statistics.median(passes) if passes else None
    report["table"] = [
        _table_row(rows, phase, kind, side)
        for phase in ("cold", "successor")
        for kind in KINDS
        for side in sorted({row["side"] for row in rows if row["phase"] == phase})
        if any((row["phase"], row["kind"], row["side"]) == (phase, kind, side) for row in rows)
    ]
    return report


def _table_row(rows: Sequence[Row], phase: str, kind: str, side: str) -> Row:
    found = [row for row in rows if (row["phase"], row["kind"], row["side"]) == (phase, kind, side)]
    totals = sorted(row["total_ms"] for row in found)
    decodes = [_decode_part(row) for row in found]
    return {
        "phase": phase,
        "kind": kind,
        "side": side,
        "n": len(found),
        "p50_ms": round(statistics.median(totals)),
        "p95_ms": round(totals[min(len(totals) - 1, int(0.95 * len(totals)))]),
        "decode_p50_ms": round(statistics.median(decodes)) if found[0].get("read_ms") else None,
        "passes": statistics.median(row["passes"] for row in found),
        "drafted": sum(row["drafted"] for row in found),
        "accepted": sum(row["accepted"] for row in found),
    }


def _ratio(rows: Sequence[Row], other: str, value: Callable[[Row], float]) -> float:
    """The median, over prompts, of the best of the others over ours."""
    ratios: list[float] = []
    for question in {row["question"] for row in rows}:
        here = [row for row in rows if row["question"] == question]
        others = [value(row) for row in here if row["side"].startswith(other)]
        mine = [value(row) for row in here if row["side"] == "ours"]
        if others and mine:
            ratios.append(min(others) / max(mine[0], 1e-3))
    return round(statistics.median(ratios), 3) if ratios else float("nan")


def _total(row: Row) -> float:
    return float(row["total_ms"])


def _decode_part(row: Row) -> float:
    """What is left of the time when reading the prompt is taken off; at least one millisecond."""
    return max(1.0, row["total_ms"] - (row.get("read_ms") or 0.0))


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
        "load": round(os.getloadavg()[0], 2),
    }


def _asked(side: Side, question: Question) -> Timing:
    side.forget()
    return side.answer(question)


def _best_ms(run: Callable[[], None], times: int = 2) -> float:
    best = float("inf")
    for _ in range(times):
        started = time.perf_counter()
        run()
        best = min(best, (time.perf_counter() - started) * 1000)
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
