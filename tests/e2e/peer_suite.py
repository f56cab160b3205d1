"""`make peer-suite SUITE=PATH`: a language server's own tests, without and with the proxy.

SUITE is a checkout of a Python project whose tests spawn its server as a process with pipes. It is
installed with its test dependencies into an environment of its own under `.cache/`; its tests run
twice, and every test must end the same way. Prints one JSON line; exit status 1 on a difference.
"""

import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time
import tomllib
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

CACHE = Path(__file__).resolve().parents[2] / ".cache" / "peer-suite"
COMMAND = [str(Path(sys.executable).with_name("zeta-context")), "proxy", "--code-actions", "--"]
NEVER_NEEDED = ("nox", "pre-commit", "ruff", "ty", "mypy", "slipcover", "basedpyright")


def test_requirements(suite: Path) -> list[str]:
    """What the project's development groups name, without its linters."""
    project = tomllib.loads((suite / "pyproject.toml").read_text())
    groups: dict[str, list[Any]] = {
        **project.get("dependency-groups", {}),
        **project.get("project", {}).get("optional-dependencies", {}),
    }
    named = [one for group in ("dev", "test", "tests") for one in groups.get(group, [])]
    texts = [one for one in named if isinstance(one, str)]
    return [one for one in texts if not one.lower().startswith(NEVER_NEEDED)]


def environment(suite: Path) -> Path:
    """The Python of an environment with the suite installed."""
    key = hashlib.sha256(str(suite).encode() + (suite / "pyproject.toml").read_bytes()).hexdigest()[
        :12
    ]
    python = CACHE / key / "bin" / "python"
    if not (CACHE / key / "done").exists():
        subprocess.run([sys.executable, "-m", "venv", str(CACHE / key)], check=True)
        wanted = ["pytest", "pytest-timeout", *test_requirements(suite)]
        install = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*install, "--editable", str(suite), *wanted], check=True)
        (CACHE / key / "done").touch()
    return python


def run_tests(python: Path, suite: Path, prefix: list[str]) -> tuple[dict[str, str], int]:
    """How each test ended, and how many servers were spawned through the proxy."""
    with tempfile.TemporaryDirectory() as folder:
        report, log = Path(folder) / "report.xml", Path(folder) / "log"
        log.touch()
        paths = [str(Path(__file__).parent), str(suite)]
        options = ["-q", "-ra", "-p", "peer_plugin", "--timeout", "120", f"--junitxml={report}"]
        subprocess.run(
            [str(python), "-m", "pytest", *options, "tests"],
            cwd=suite,
            check=False,
            stdout=sys.stderr,
            env={
                **os.environ,
                "PYTHONPATH": os.pathsep.join(paths),
                "ZETA_PEER_PROXY": json.dumps(prefix),
                "ZETA_PEER_LOG": str(log),
            },
        )
        ended: dict[str, str] = {}
        for case in ElementTree.parse(report).iter("testcase"):
            kinds = [child.tag for child in case if child.tag in ("failure", "error", "skipped")]
            name = f"{case.get('classname')}::{case.get('name')}"
            ended[name] = kinds[0] if kinds else "passed"
        return ended, len(log.read_text().splitlines())


def main() -> int:
    suite = Path(sys.argv[1]).expanduser().resolve()
    if not (suite / "pyproject.toml").is_file():
        print(f"{suite} is no Python project with a pyproject.toml", file=sys.stderr)
        return 2
    python = environment(suite)
    seconds: dict[str, float] = {}
    began = time.monotonic()
    direct, _ = run_tests(python, suite, [])
    seconds["direct"] = time.monotonic() - began
    began = time.monotonic()
    proxied, spawned = run_tests(python, suite, COMMAND)
    seconds["proxied"] = time.monotonic() - began
    different = {
        name: [direct.get(name), proxied.get(name)]
        for name in direct.keys() | proxied.keys()
        if direct.get(name) != proxied.get(name)
    }
    result = {
        "suite": suite.name,
        "tests": len(direct),
        "passed_direct": sum(end == "passed" for end in direct.values()),
        "passed_proxied": sum(end == "passed" for end in proxied.values()),
        "spawned_through_proxy": spawned,
        "different": different,
        "seconds_direct": round(seconds["direct"], 1),
        "seconds_proxied": round(seconds["proxied"], 1),
    }
    print(json.dumps(result))
    return 1 if different or not spawned or not direct else 0


if __name__ == "__main__":
    sys.exit(main())
