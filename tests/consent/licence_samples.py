"""Texts of accepted licences for tests: found installed, since we keep none of others' texts."""

from __future__ import annotations

import sys
from functools import cache
from pathlib import Path

from tests.bench.licence_files import find_all
from zeta_context.consent.licence_match import match_text


@cache
def licence_texts() -> dict[str, str]:
    """One text for each licence that some installed package has."""
    own = (Path(__file__).parents[2] / "LICENSE").read_text(encoding="utf-8")
    found = {"Apache-2.0": own}
    for folder in sorted(entry for entry in set(sys.path) if entry.endswith("site-packages")):
        for file in sorted(find_all(Path(folder)), key=lambda file: file.package):
            content = file.path.read_bytes()
            licence = match_text(content).licence
            if licence and licence not in found:
                found[licence] = content.decode()
    return found
