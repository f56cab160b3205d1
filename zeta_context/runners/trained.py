"""What a model that was trained here says of itself: the prompt format that it was trained on.

A line in a file beside its weights, written by the training and believed by the runner: a model
whose tokenizer splits a format's markers can have been trained on it all the same. Knows no format.
"""

from __future__ import annotations

import json
from pathlib import Path

RECORD = "zeta-context-trained.json"
"""The file's name, in the model's directory."""


def write_trained_format(directory: Path, name: str) -> None:
    """Write down that the model in a directory was trained on a format."""
    (directory / RECORD).write_text(json.dumps({"format": name}) + "\n", encoding="utf-8")


def read_trained_format(path: Path) -> str:
    """The format that the model at a path was trained on, empty where nothing says so."""
    try:
        name = json.loads((path / RECORD).read_bytes())["format"]
    except (OSError, ValueError, KeyError, TypeError):
        return ""
    return name if isinstance(name, str) else ""
