"""What a person does in a recorded session, read from a TOML file.

    repository = "lending"            # a folder under fixtures/repos
    purpose = "rename a concept"
    language = "python"
    tuning = true                     # may be looked at while thresholds are chosen
    seed = 7
    quiet = true                      # nothing in it can be foreseen (false)
    indent = 2                        # spaces of a level of indentation (4), 0 for a tab
    typos = 0.01                      # chance of a slip at each letter, always corrected
    steps = [
      ["open", "lending/service.py"], # open it, or go back to it
      ["goto", "user = self._¦user"], # the place of this text, cursor at ¦ or at its start
      ["goto", "user.number", 2],     # its second occurrence
      ["change", "account"],          # replace the word under the cursor
      ["type", "acuo⌫⌫count"],        # before the cursor; ⌫ is backspace, ⌧ deletes a word
      ["append", ", today"],          # at the end of the line; "insert" before its first word
      ["below", "x = 1\\ny = 2"],      # on new lines below; "above" likewise
      ["keys", "dd"],                 # any keys in normal mode, as Neovim writes them
      ["undo", 2], ["redo"],
      ["pause", 2.5],                 # seconds
      ["save"], ["close"],
      ["outside", "lending/cli.py", "old text", "new text"],  # another program changes the file
    ]

Knows nothing of editors.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path

# For each step: the types of its arguments, and how many of them must be there.
_ARGUMENTS: dict[str, tuple[tuple[type, ...], int]] = {
    "open": ((str,), 1),
    "goto": ((str, int), 1),
    "change": ((str,), 1),
    "type": ((str,), 1),
    "append": ((str,), 1),
    "insert": ((str,), 1),
    "below": ((str,), 1),
    "above": ((str,), 1),
    "keys": ((str,), 1),
    "undo": ((int,), 0),
    "redo": ((int,), 0),
    "pause": ((int | float,), 1),  # type: ignore[dict-item]
    "save": ((), 0),
    "close": ((), 0),
    "outside": ((str, str, str), 3),
}


class ScriptError(Exception):
    """A session script that cannot be read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """A session to be recorded; each step is a verb and its arguments."""

    name: str
    repository: str
    purpose: str
    language: str
    tuning: bool
    seed: int
    typos: float
    steps: tuple[tuple[str | int | float, ...], ...]
    quiet: bool = False
    indent: int = 4


def read_script(path: Path) -> Script:
    """Read and check a script; raises `ScriptError` with the number of the step."""
    with path.open("rb") as stream:
        table = tomllib.load(stream)
    steps = tuple(tuple(step) for step in table.pop("steps"))
    for number, step in enumerate(steps, start=1):
        verb, *arguments = step
        types, least = _ARGUMENTS.get(verb, ((), -1))
        if least < 0:
            raise ScriptError(f"{path.name}: step {number}: no such step: {verb}")
        if not least <= len(arguments) <= len(types) or not all(
            isinstance(value, kind) for value, kind in zip(arguments, types, strict=False)
        ):
            raise ScriptError(f"{path.name}: step {number}: wrong arguments for {verb}")
    try:
        return Script(name=path.stem, steps=steps, **{"typos": 0.0, **table})
    except TypeError as error:
        raise ScriptError(f"{path.name}: {error}") from None
