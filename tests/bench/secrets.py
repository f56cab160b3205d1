"""How many secrets are found, how many clean texts raise an alarm, and what the search costs.

Run with `make bench-secrets`. detect-secrets is the oracle: its wheel comes from the package index;
its own test vectors are not part of what it publishes there and come from its repository, or from a
checkout that VECTORS names. Without them, texts made from its published patterns stand in, and the
figure says so. Neither is kept. The last line is JSON.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import sysconfig
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path

from tests.bench.secret_vectors import VectorSet, collect_vectors
from tests.consent.secret_samples import NAMED, NAMES, TEMPLATES, embed, make_token
from zeta_context.consent.redaction import scan_prompt_input
from zeta_context.consent.secrets import SECRET_RULES, find_secrets
from zeta_context.events.event import Event
from zeta_context.prompt.input import PromptInput
from zeta_context.text.patch import render_unified
from zeta_context.text.point import Span

SOURCES = ("python", "javascript", "yaml", "env")
WINDOW = 8192
SEEDS = 5


def make_event(old: str, new: str) -> Event:
    """The event of an edit in a file of the project."""
    span = Span(0, max(len(new), 1))
    return Event(
        project="p", path="a.py", diff=render_unified(old, new), old_span=span, new_span=span
    )


def is_found(text: str, secret: str) -> bool:
    """Whether some hit covers part of the secret; one beside it does not count."""
    at = text.index(secret)
    return any(h.span.start < at + len(secret) and h.span.end > at for h in find_secrets(text))


def is_found_over_edits(text: str, secret: str, rng: random.Random) -> bool:
    """Whether both events are told when the secret is typed in two edits, cut anywhere."""
    cut = rng.randrange(1, len(secret))
    at = text.index(secret)
    half = text[: at + cut] + text[at + len(secret) :]
    empty = text[:at] + text[at + len(secret) :]
    events = (make_event(empty, half), make_event(half, text))
    found = scan_prompt_input(
        PromptInput(
            project="p",
            path="b.py",
            cursor_excerpt="x = 1\n",
            cursor_offset=0,
            excerpt_start_row=0,
            events=events,
        )
    )
    told = {each.part.number for each in found if each.part.kind == "event"}
    hits = [h for h in find_secrets(text) if h.span.start < at + len(secret) and h.span.end > at]
    # Fewer than 18 characters of a secret are told from other text by nothing.
    typed_first = max((at + cut - hit.span.start for hit in hits), default=cut)
    return 1 in told and (0 in told or typed_first < 18)


def make_samples(rng: random.Random) -> Iterator[tuple[str, str, str]]:
    """Rule, source text and secret; a named secret is in the one source its name makes."""
    for rule_id, templates in TEMPLATES.items():
        for template in templates:
            for kind in SOURCES:
                secret = make_token(template, rng)
                yield rule_id, embed(secret, kind, rng), secret
    for rule_id, (template, value_template) in NAMED.items():
        for _ in SOURCES:
            name = rng.choice(NAMES)
            secret = make_token(value_template, rng)
            text = template.format(
                name=name, value=secret, upper=name.upper(), dashed=name.replace("_", "-")
            )
            yield rule_id, f"first = 1\n{text}\nlast = 2\n", secret


def measure_generated() -> float:
    """Recall over rules, templates, embeddings and seeds; prints the rules below 0.99."""
    missed: dict[str, int] = defaultdict(int)
    n = 0
    for seed in range(SEEDS):
        rng = random.Random(seed)
        for rule_id, text, secret in make_samples(rng):
            found = is_found(text, secret), is_found_over_edits(text, secret, rng)
            n += len(found)
            missed[rule_id] += found.count(False)
    n_rules = len(set(TEMPLATES) | set(NAMED))
    n_missed = sum(missed.values())
    print(f"generated: {n} secrets of {n_rules} of {len(SECRET_RULES)} rules, missed {n_missed}")
    for rule_id, number in missed.items():
        if number:
            print(f"  missed {number} of {rule_id}")
    return (n - n_missed) / n


def clean_windows(limit: int) -> list[str]:
    """Windows of 8 KB of the standard library and installed packages, without their tests."""
    paths = sysconfig.get_paths()
    files = sorted(
        path
        for folder in dict.fromkeys((paths["stdlib"], paths["purelib"]))
        for path in Path(folder).rglob("*.py")
        if not {"test", "tests", "idle_test"} & set(path.parts)
    )
    rng = random.Random(1)
    rng.shuffle(files)
    windows: list[str] = []
    for file in files:
        text = file.read_text("utf-8", errors="ignore")
        if len(text) > WINDOW:
            start = rng.randrange(len(text) - WINDOW)
            windows.append(text[start : start + WINDOW])
        if len(windows) == limit:
            break
    return windows


def measure_clean(windows: list[str]) -> tuple[float, float]:
    """Alarms on 100 windows, and CPU milliseconds for a KB (the least of three runs)."""
    find_secrets("warm = 1")
    rules: dict[str, int] = defaultdict(int)
    alarms = 0
    for window in windows:
        hits = find_secrets(window)
        alarms += bool(hits)
        for hit in hits:
            rules[hit.rule_id] += 1
    taken = []
    for _ in range(3):
        start = time.process_time()
        for window in windows:
            find_secrets(window)
        taken.append(time.process_time() - start)
    kilobytes = sum(len(window.encode()) for window in windows) / 1024
    print(f"clean: {len(windows)} windows of 8 KB, {alarms} with an alarm, by rule {dict(rules)}")
    return alarms * 100 / len(windows), min(taken) * 1000 / kilobytes


def measure_vectors(vectors: VectorSet) -> float:
    """Recall on the texts that the oracle flags; prints what is missed by plugin, never a text."""
    found_in: dict[str, list[bool]] = defaultdict(list)
    for plugin, text in vectors.texts:
        found_in[plugin].append(bool(find_secrets(text)))
    every = [found for each in found_in.values() for found in each]
    print(f"detect-secrets: {len(every)} texts from its {vectors.origin}")
    for plugin, found in sorted(found_in.items()):
        if not all(found):
            print(f"  {plugin}: found {sum(found)} of {len(found)}")
    return sum(every) / len(every)


def main(arguments: Iterable[str] | None = None) -> int:
    """Print the figures; 1 when one misses its bar."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--vectors", type=Path, help="a checkout of detect-secrets")
    parser.add_argument("--windows", type=int, default=1000)
    options = parser.parse_args(None if arguments is None else list(arguments))
    figures: dict[str, object] = {"recall_generated": round(measure_generated(), 4)}
    vectors = collect_vectors(options.vectors)
    figures["recall_vectors"] = round(measure_vectors(vectors), 4) if vectors.texts else None
    figures["vectors_from"] = vectors.origin
    alarms, cost = measure_clean(clean_windows(options.windows))
    figures |= {"alarms_per_100": round(alarms, 2), "cpu_ms_per_kb": round(cost, 4)}
    recall = figures["recall_vectors"]
    is_met = (
        float(str(figures["recall_generated"])) >= 0.99
        and (recall is None or float(str(recall)) >= 0.8)
        and alarms <= 1
        and cost <= 0.1
    )
    print(json.dumps(figures))
    return 0 if is_met else 1


if __name__ == "__main__":
    sys.exit(main())
