"""Which language a file is in, by its name, for editors that do not say.

The names are the language identifiers of the Language Server Protocol. Knows nothing of contents.
"""

from __future__ import annotations

from pathlib import PurePosixPath

_BY_NAME = {
    "cmakelists.txt": "cmake",
    "containerfile": "dockerfile",
    "dockerfile": "dockerfile",
    "gemfile": "ruby",
    "gnumakefile": "makefile",
    "go.mod": "go.mod",
    "makefile": "makefile",
    "rakefile": "ruby",
}

_BY_SUFFIX = {
    ".bash": "shellscript",
    ".bat": "bat",
    ".bzl": "starlark",
    ".c": "c",
    ".cc": "cpp",
    ".cjs": "javascript",
    ".clj": "clojure",
    ".cmake": "cmake",
    ".cpp": "cpp",
    ".cs": "csharp",
    ".css": "css",
    ".cts": "typescript",
    ".cxx": "cpp",
    ".dart": "dart",
    ".el": "elisp",
    ".erl": "erlang",
    ".ex": "elixir",
    ".exs": "elixir",
    ".fs": "fsharp",
    ".go": "go",
    ".gradle": "groovy",
    ".groovy": "groovy",
    ".h": "c",
    ".hpp": "cpp",
    ".hs": "haskell",
    ".htm": "html",
    ".html": "html",
    ".hxx": "cpp",
    ".ini": "ini",
    ".java": "java",
    ".jl": "julia",
    ".js": "javascript",
    ".json": "json",
    ".jsonc": "jsonc",
    ".jsx": "javascriptreact",
    ".kt": "kotlin",
    ".kts": "kotlin",
    ".less": "less",
    ".lua": "lua",
    ".m": "objective-c",
    ".md": "markdown",
    ".mjs": "javascript",
    ".mk": "makefile",
    ".ml": "ocaml",
    ".mli": "ocaml",
    ".mm": "objective-cpp",
    ".mts": "typescript",
    ".nix": "nix",
    ".php": "php",
    ".pl": "perl",
    ".pm": "perl",
    ".proto": "proto",
    ".ps1": "powershell",
    ".py": "python",
    ".pyi": "python",
    ".pyw": "python",
    ".r": "r",
    ".rb": "ruby",
    ".rs": "rust",
    ".rst": "restructuredtext",
    ".sass": "sass",
    ".scala": "scala",
    ".scss": "scss",
    ".sh": "shellscript",
    ".sql": "sql",
    ".svelte": "svelte",
    ".swift": "swift",
    ".tex": "latex",
    ".tf": "terraform",
    ".toml": "toml",
    ".ts": "typescript",
    ".tsx": "typescriptreact",
    ".vim": "vim",
    ".vue": "vue",
    ".xml": "xml",
    ".yaml": "yaml",
    ".yml": "yaml",
    ".zig": "zig",
    ".zsh": "shellscript",
}

_ALIASES = {
    "bash": "shellscript",
    "c++": "cpp",
    "golang": "go",
    "js": "javascript",
    "jsx": "javascriptreact",
    "py": "python",
    "sh": "shellscript",
    "ts": "typescript",
    "tsx": "typescriptreact",
    "zsh": "shellscript",
}
"""What editors call file types (Neovim's `sh`, Vim's `javascript.jsx` by its first part)."""


def language_of(path: str, given: str = "") -> str:
    """The language identifier of a POSIX path, empty if unknown; what the editor gave wins."""
    if given:
        name = given.lower().split(".")[0] if given.lower() != "go.mod" else "go.mod"
        return _ALIASES.get(name, name)
    name = PurePosixPath(path).name.lower()
    if name in _BY_NAME:
        return _BY_NAME[name]
    return _BY_SUFFIX.get(PurePosixPath(name).suffix, "")
