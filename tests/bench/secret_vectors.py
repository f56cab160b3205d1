"""Texts that detect-secrets takes for secrets: from its own tests, or made from its patterns.

It is installed into a folder of its own that is removed afterwards, and asked in a process of its
own. Knows nothing of our rules.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

VERSION = "1.5.0"
REPOSITORY = "https://github.com/Yelp/detect-secrets"
_TIMEOUT_S = 120

_ASK = r'''
import glob, importlib, inspect, json, os, random, re, sys, types, warnings
from re import _parser as sre

warnings.simplefilter("ignore")
kind, root = sys.argv[1:3]
OTHER = ("high_entropy", "keyword", "ip_public")  # not of one issuer, or no secrets


def from_tests():
    """What the parametrised tests of each plugin pass and expect to be flagged."""
    import pytest

    found = []
    # The network is not asked by what we read, only by tests that we do not run.
    responses = types.ModuleType("responses")
    responses.activate = lambda function: function
    sys.modules.setdefault("responses", responses)
    for file in sorted(glob.glob(os.path.join(root, "tests", "plugins", "*_test.py"))):
        name = os.path.basename(file)[: -len("_test.py")]
        if name.startswith(OTHER) or name == "base":
            continue
        spec = importlib.util.spec_from_file_location(f"vectors_{name}", file)
        module = importlib.util.module_from_spec(spec)
        try:
            spec.loader.exec_module(module)
        except ImportError as error:
            print(f"the tests of {name} cannot be read: {error}", file=sys.stderr)
            continue
        holders = [module, *[c for _, c in inspect.getmembers(module, inspect.isclass)
                             if c.__name__.startswith("Test")]]
        for holder in holders:
            for test, function in inspect.getmembers(holder, inspect.isfunction):
                if not test.startswith(("test_analyze", "test_basic")):
                    continue
                for mark in getattr(function, "pytestmark", ()):
                    if mark.name != "parametrize":
                        continue
                    for case in mark.args[1]:
                        case = case if isinstance(case, tuple) else (case,)
                        if isinstance(case[0], str) and (len(case) == 1 or case[1] is True):
                            found.append((name, case[0]))
    return found


SPACES = {str(sre.parse(space).data[0:1]) for space in (r"\s", r"[\s]", " ")}


def sample(pattern, rng):
    """A random text that a parsed regular expression matches, or nearly."""
    text = ""
    for op, value in pattern:
        op = str(op)
        if op == "LITERAL":
            text += chr(value)
        elif op == "IN":
            text += pick(value, rng)
        elif op in ("MAX_REPEAT", "MIN_REPEAT"):
            low, high, inner = value
            # An open end stands for the length of a key, not for one character.
            is_space = str(inner) in SPACES
            least = max(low, 10) if int(high) > 1000 and not is_space else low
            for _ in range(rng.randint(least, max(least, min(int(high), least + 6)))):
                text += sample(inner, rng)
        elif op == "SUBPATTERN":
            text += sample(value[3], rng)
        elif op == "BRANCH":
            text += sample(rng.choice(value[1]), rng)
        elif op in ("ANY", "NOT_LITERAL"):
            text += rng.choice("abcdefgh12345")
    return text


def pick(members, rng):
    chars = ""
    for op, value in members:
        op = str(op)
        if op == "NEGATE":
            return rng.choice("abcdefgh12345")
        if op == "LITERAL":
            chars += chr(value)
        elif op == "RANGE":
            chars += "".join(map(chr, range(value[0], value[1] + 1)))
        elif op == "CATEGORY":
            chars += {"CATEGORY_DIGIT": "0123456789", "CATEGORY_SPACE": " "}.get(
                str(value), "abcdefghijklmnopqrstuvwxyz0123456789")
    return rng.choice(chars)


def from_patterns():
    """Texts made from the published patterns of each plugin, those that the plugin flags."""
    from detect_secrets.core.plugins.util import get_mapping_from_secret_type_to_class

    rng, found = random.Random(1), []
    for plugin in get_mapping_from_secret_type_to_class().values():
        name = plugin.__module__.rpartition(".")[2]
        if name.startswith(OTHER) or not getattr(plugin, "denylist", None):
            continue
        for pattern in plugin().denylist:
            for _ in range(20):
                text = sample(sre.parse(pattern.pattern, pattern.flags), rng)
                try:
                    if plugin().analyze_line(filename="f", line=text, line_number=1):
                        found.append((name, text))
                except Exception:
                    continue
    return found


print(json.dumps(from_tests() if kind == "tests" else from_patterns()))
'''


@dataclass(frozen=True, slots=True, kw_only=True)
class VectorSet:
    """Pairs of plugin and text, and where they are from: `tests`, `patterns` or `nowhere`."""

    texts: tuple[tuple[str, str], ...]
    origin: str


def collect_vectors(checkout: Path | None) -> VectorSet:
    """The texts of the oracle's own tests; failing that, made from its patterns, or none.

    Prints the reason whenever it has to do with less.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        install = [sys.executable, "-m", "pip", "install", "--quiet", "--target", name]
        if not _run([*install, f"detect-secrets=={VERSION}"]):
            print(f"skipped: detect-secrets {VERSION} cannot be fetched from the package index")
            return VectorSet(texts=(), origin="nowhere")
        if checkout is None:
            clone = ["git", "clone", "--quiet", "--depth=1", f"--branch=v{VERSION}"]
            if _run([*clone, REPOSITORY, str(folder / "checkout")]):
                checkout = folder / "checkout"
            else:
                print(
                    "the tests of detect-secrets cannot be fetched from its repository: texts "
                    "made from its patterns stand in (VECTORS=PATH names a checkout)"
                )
        kinds = [("tests", checkout)] if checkout else []
        for kind, root in (*kinds, ("patterns", folder)):
            texts = _ask(kind, root, folder)
            if texts:
                return VectorSet(texts=texts, origin=kind)
            print(f"nothing could be read from the {kind} of detect-secrets")
    return VectorSet(texts=(), origin="nowhere")


def _ask(kind: str, root: Path, packages: Path) -> tuple[tuple[str, str], ...]:
    environment = os.environ | {"PYTHONPATH": os.pathsep.join((str(packages), str(root)))}
    asked = subprocess.run(
        [sys.executable, "-c", _ASK, kind, str(root)],
        capture_output=True,
        text=True,
        env=environment,
        timeout=_TIMEOUT_S,
        check=False,
    )
    if asked.returncode:
        return ()
    return tuple(dict.fromkeys((plugin, text) for plugin, text in json.loads(asked.stdout)))


def _run(command: list[str]) -> bool:
    environment = os.environ | {"GIT_TERMINAL_PROMPT": "0"}
    try:
        done = subprocess.run(
            command, capture_output=True, env=environment, timeout=_TIMEOUT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0
