"""Reads what a collection server exported, in either of its forms, as lines of JSON.

Knows nothing of what the lines say.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from zeta_context.errors import DatasetError
from zeta_context.installation import install_command

COLUMN = "example"
"""The column of a Parquet file that holds each example's line of JSON."""
_ROWS = 500


def read_exports(paths: Sequence[Path]) -> Iterator[str | bytes]:
    """The lines of files, one after the other; those that end in `.parquet` are Parquet.

    Raises DatasetError for a Parquet file that is none of an export, or cannot be read here.
    """
    for path in paths:
        if path.suffix == ".parquet":
            yield from _read_parquet(path)
        else:
            with path.open("rb") as file:
                yield from file


def _read_parquet(path: Path) -> Iterator[str]:
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError:
        raise DatasetError(
            f"Parquet needs pyarrow: {install_command('train')}, or export JSON lines"
        ) from None
    try:
        with parquet.ParquetFile(path) as file:
            if COLUMN not in file.schema_arrow.names:
                raise DatasetError(f"{path.name} is no export: it has no column {COLUMN!r}")
            for batch in file.iter_batches(batch_size=_ROWS, columns=[COLUMN]):
                yield from batch.column(0).to_pylist()
    except pyarrow.ArrowInvalid as problem:
        raise DatasetError(f"{path.name} is no Parquet file: {problem}") from None
