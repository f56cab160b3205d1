"""What an export is written to: lines of JSON, or a Parquet file with them in a column."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

COLUMNS = ("id", "tenant", "installation", "project", "consent", "licences")
"""What an exported example can be searched by, beside the column `example`, its line of JSON."""
_ROWS = 500

Write = Callable[[str], object]
"""Takes one exported example as its line of JSON."""


@contextlib.contextmanager
def open_export(path: Path) -> Iterator[Write]:
    """A file of the kind that its name tells; `-` is the standard output."""
    if path.suffix == ".parquet":
        with _open_parquet(path) as write:
            yield write
    elif str(path) == "-":
        yield lambda line: sys.stdout.write(line + "\n")
    else:
        with path.open("w", encoding="utf-8") as file:
            yield lambda line: file.write(line + "\n")


@contextlib.contextmanager
def _open_parquet(path: Path) -> Iterator[Write]:
    """Compressed with zstd, and written some rows at a time."""
    import pyarrow as pa
    from pyarrow import parquet

    schema = pa.schema([(name, pa.string()) for name in (*COLUMNS, "example")])
    waiting: list[str] = []
    with parquet.ParquetWriter(path, schema, compression="zstd") as writer:

        def flush() -> None:
            rows = [json.loads(line) for line in waiting]
            found = [{"id": row["id"], **row["source"]} for row in rows]
            columns = {name: [_text(row.get(name)) for row in found] for name in COLUMNS}
            writer.write_table(pa.table({**columns, "example": waiting}, schema=schema))
            waiting.clear()

        def write(line: str) -> None:
            waiting.append(line)
            if len(waiting) == _ROWS:
                flush()

        yield write
        flush()


def _text(value: object) -> str:
    return " ".join(map(str, value)) if isinstance(value, list) else str(value or "")
