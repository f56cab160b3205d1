"""What a teacher is asked, and how its answer is read.

Prompts are versioned files with a digest: a change of theirs is a change of the answers. Knows
nothing of endpoints.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Literal

from zeta_context.errors import OutputError, SettingsError
from zeta_context.prompt.events import render_event
from zeta_context.prompt.input import PromptInput
from zeta_context.prompt.region import CursorRegion, resolve_cursor_region
from zeta_context.text.edit import TextEdit

Size = Literal["small", "normal", "large"]
"""How much a teacher should do at once: a setting, since the right answer has changed before."""

SIZE_RULES: Mapping[Size, str] = {
    "small": "Prefer the smallest edit that is complete in itself: one place, a few tokens.",
    "normal": "Make one edit as large as what follows from the latest edits, and no larger.",
    "large": "Make all the edits of the editable part that follow from the latest edits.",
}

NO_EDITS = "NO_EDITS"
CURSOR = "<<<CURSOR>>>"
OPEN, CLOSE = "<<<EDITABLE\n", "\nEDITABLE>>>"

EDITABLE_TOKENS = 350
CONTEXT_TOKENS = 1_500
HISTORY_ROWS = 128

_FENCE = re.compile(r"^(`{3,})[^`\n]*\n(.*?)^\1`*[ \t]*$", re.MULTILINE | re.DOTALL)
_SLOT = re.compile(r"\{\{(\w+)\}\}")


@dataclass(frozen=True, slots=True, kw_only=True)
class TeacherPrompt:
    """A prompt file: `version` is its name with the start of its digest."""

    name: str
    text: str

    @property
    def version(self) -> str:
        """What distinguishes this text of the prompt from every other."""
        return f"{self.name}@{hashlib.sha256(self.text.encode()).hexdigest()[:12]}"

    def fill(self, values: Mapping[str, str]) -> str:
        """The text with its slots filled; raises SettingsError for a slot without a value."""

        def value(found: re.Match[str]) -> str:
            name = found.group(1)
            if name not in values:
                raise SettingsError(f"the prompt {self.name} has an unknown slot: {name}")
            return values[name]

        return _SLOT.sub(value, self.text)


def read_prompt(name: str) -> TeacherPrompt:
    """The prompt of a shipped name (`teacher-v1`) or a path; raises SettingsError."""
    path = Path(name)
    try:
        if path.suffix == ".md" and path.is_file():
            return TeacherPrompt(name=path.stem, text=path.read_text("utf-8"))
        return _read_shipped(name)
    except OSError:
        raise SettingsError(
            f"there is no prompt {name!r}: name a .md file, or teacher-v1"
        ) from None


@cache
def _read_shipped(name: str) -> TeacherPrompt:
    folder = files("zeta_context.training").joinpath("prompts")
    return TeacherPrompt(name=name, text=folder.joinpath(f"{name}.md").read_text("utf-8"))


def render_question(prompt_input: PromptInput, prompt: TeacherPrompt, size: Size) -> str:
    """What the teacher is asked about a starting state."""
    region = find_region(prompt_input)
    return prompt.fill(
        {**describe(prompt_input), "size_rule": SIZE_RULES[size], "file": _file(region)}
    )


def describe(prompt_input: PromptInput) -> dict[str, str]:
    """What the slots `history`, `related`, `path` and `file` of every prompt get."""
    region = find_region(prompt_input)
    rows = "".join(map(render_event, prompt_input.events)).splitlines()
    related = [
        f"## {file.path}\n\n{excerpt.text}"
        for file in prompt_input.related_files
        if not file.is_outside_project
        for excerpt in file.excerpts
    ]
    return {
        "history": "\n".join(rows[-HISTORY_ROWS:]) or "(none)",
        "related": "\n\n".join(related[:12]) or "(none)",
        "path": prompt_input.path,
        "file": _file(region),
    }


def read_answer(answer: str, prompt_input: PromptInput) -> tuple[TextEdit, ...]:
    """The edits of the cursor excerpt that an answer asks for; none for NO_EDITS.

    The last fenced block counts, whatever its fence; raises OutputError when there is none, or
    when it still holds a marker.
    """
    blocks = list(_FENCE.finditer(answer))
    if not blocks:
        if answer.strip() == NO_EDITS:
            return ()
        raise OutputError("the answer holds no fenced block")
    text = blocks[-1].group(2).removesuffix("\n")
    if text.strip() == NO_EDITS:
        return ()
    text = text.replace(CURSOR, "").removeprefix(OPEN).removesuffix(CLOSE)
    if NO_EDITS in text or (
        "EDITABLE" in text.replace("EDITABLE", "", 0)
        and (OPEN.strip() in text or CLOSE.strip() in text)
    ):
        raise OutputError("the answer holds a marker")
    region = find_region(prompt_input)
    before = region.text
    if before.startswith("\n") and not text.startswith("\n"):
        text = "\n" + text
    if before.endswith("\n") and not text.endswith("\n"):
        text += "\n"
    if not before.endswith("\n"):
        text = text.rstrip("\n")
    return region.edits_to(text)


def _file(region: CursorRegion) -> str:
    return f"{region.before}{OPEN}{region.text_with(CURSOR)}{CLOSE}{region.after}"


def find_region(prompt_input: PromptInput) -> CursorRegion:
    """What of the file a teacher is shown, and what of that it may rewrite."""
    return resolve_cursor_region(prompt_input, EDITABLE_TOKENS, CONTEXT_TOKENS)
