"""Files of scenarios, in any of the formats, told by their names; and folders of them.

Knows nothing of what a scenario means.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from zeta_context.errors import EvalError
from zeta_context.evals.scenario import Scenario
from zeta_context.evals.scenario_markdown import parse_markdown, render_markdown
from zeta_context.evals.scenario_rows import read_jsonl, read_parquet, write_jsonl, write_parquet

SUFFIXES = (".md", ".jsonl", ".parquet")


def read_scenarios(paths: Path | Sequence[Path]) -> Iterator[Scenario]:
    """The scenarios of files and folders (by name), one by one.

    Raises EvalError for a file that cannot be read, a name that comes twice, and when there is
    none at all.
    """
    names: set[str] = set()
    for path in [paths] if isinstance(paths, Path) else paths:
        for file in _files_of(path):
            for one in _read_file(file):
                if one.name in names:
                    raise EvalError(f"{file.name}: there is already a scenario {one.name!r}")
                names.add(one.name)
                yield one
    if not names:
        raise EvalError(f"there is no scenario ({', '.join(SUFFIXES)}) to read")


def write_scenarios(path: Path, scenarios: Iterable[Scenario]) -> int:
    """Write scenarios to a file, or as one Markdown file each to a folder; how many there were."""
    if path.suffix == ".jsonl":
        return write_jsonl(path, scenarios)
    if path.suffix == ".parquet":
        return write_parquet(path, scenarios)
    if path.suffix == ".md":
        (one,) = scenarios
        _write_markdown(path, one)
        return 1
    count = 0
    path.mkdir(parents=True, exist_ok=True)
    for one in scenarios:
        _write_markdown(path / f"{one.name}.md", one)
        count += 1
    return count


def _files_of(path: Path) -> list[Path]:
    if path.is_dir():
        found = sorted(file for file in path.rglob("*") if file.suffix in SUFFIXES)
        return [file for file in found if file.name != "README.md"]
    if path.suffix not in SUFFIXES:
        raise EvalError(f"{path.name} is no file of scenarios: there are {', '.join(SUFFIXES)}")
    return [path]


def _read_file(path: Path) -> Iterator[Scenario]:
    if path.suffix == ".jsonl":
        return read_jsonl(path)
    if path.suffix == ".parquet":
        return read_parquet(path)
    try:
        source = path.read_bytes().decode("utf-8", "surrogatepass")
    except (OSError, UnicodeDecodeError):
        raise EvalError(f"{path.name} cannot be read as UTF-8 text") from None
    return iter((parse_markdown(source, name=path.stem),))


def _write_markdown(path: Path, scenario: Scenario) -> None:
    path.write_bytes(render_markdown(scenario).encode("utf-8", "surrogatepass"))
