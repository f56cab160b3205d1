"""Importing the package is cheap: none of the heavy libraries come with it."""

import json
import subprocess
import sys

HEAVY = ["torch", "transformers", "lsprotocol", "pygls", "git", "pygit2", "watchdog", "httpx"]


def test_importing_the_package_loads_no_heavy_library() -> None:
    code = (
        "import sys, json, zeta_context\n"
        f"print(json.dumps([name for name in {HEAVY!r} if name in sys.modules]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == []


def test_public_names_resolve_and_are_sorted() -> None:
    import zeta_context

    assert zeta_context.__all__ == sorted(zeta_context.__all__)
    for name in zeta_context.__all__:
        assert getattr(zeta_context, name) is not None
