"""A few lines in each language, to see whether a language server answers and how fast.

Knows nothing of servers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """A file in which `name` is first defined and last used; `others` is what it needs beside it.

    Paths are relative to the project's folder.
    """

    path: str
    text: str
    name: str = "make"
    others: Mapping[str, str] = field(default_factory=dict)

    @property
    def use_offset(self) -> int:
        """Where the name is used."""
        return self.text.rindex(self.name)


_C = "int make(void) { return 1; }\nint main(void) { return make(); }\n"
_SCRIPT = "function make() {\n  return 1\n}\nmake()\n"
_CARGO = '[package]\nname = "sample"\nversion = "0.1.0"\nedition = "2021"\n'

SAMPLES: Mapping[str, Sample] = {
    "python": Sample(path="sample.py", text="def make():\n    return 1\n\n\nmake()\n"),
    "javascript": Sample(path="sample.js", text=_SCRIPT),
    "typescript": Sample(path="sample.ts", text=_SCRIPT, others={"tsconfig.json": "{}\n"}),
    "rust": Sample(
        path="src/main.rs",
        text="fn make() {}\nfn main() {\n    make();\n}\n",
        others={"Cargo.toml": _CARGO},
    ),
    "go": Sample(
        path="main.go",
        text="package main\n\nfunc make1() {}\n\nfunc main() {\n\tmake1()\n}\n",
        name="make1",
        others={"go.mod": "module sample\n\ngo 1.18\n"},
    ),
    "c": Sample(path="sample.c", text=_C),
    "cpp": Sample(path="sample.cpp", text=_C),
    "java": Sample(
        path="Sample.java",
        text="class Sample {\n  static int make() { return 1; }\n  int made = make();\n}\n",
        name="make()",
    ),
    "ruby": Sample(path="sample.rb", text="def make\n  1\nend\n\nmake\n"),
    "lua": Sample(path="sample.lua", text="local function make() return 1 end\nmake()\n"),
    "zig": Sample(
        path="sample.zig",
        text="fn make() u8 {\n    return 1;\n}\npub fn main() void {\n    _ = make();\n}\n",
    ),
    "shellscript": Sample(
        path="sample.sh", text="make_it() {\n  echo\n}\nmake_it\n", name="make_it"
    ),
    "yaml": Sample(path="sample.yaml", text="base: &make\n  a: 1\nother: *make\n"),
    "css": Sample(path="sample.css", text=":root { --make: 1px }\na { width: var(--make) }\n"),
    "markdown": Sample(path="sample.md", text="# make\n\n[one](#make)\n"),
}
"""By LSP language id."""
