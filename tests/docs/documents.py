"""The fenced blocks of the documentation, with their language and place."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
OWN = (
    *("tutorial.md", "architecture.md", "support.md"),
    *(f"editors/{name}.md" for name in ("neovim", "vscode", "emacs", "vim", "others")),
)
"""The pages whose every command and snippet is run by the tests here."""


@dataclass(frozen=True)
class Snippet:
    """A block of a page: its first line's number, for the test's name."""

    page: str
    line: int
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def snippets(*languages: str) -> list[Snippet]:
    """The blocks in some languages, in order; without any, all of them."""
    found = []
    for page in OWN:
        content = (DOCS / page).read_text(encoding="utf-8")
        for match in FENCE.finditer(content):
            line = content.count("\n", 0, match.start()) + 1
            snippet = Snippet(page, line, match[1], match[2])
            if not languages or snippet.language in languages:
                found.append(snippet)
    return found
