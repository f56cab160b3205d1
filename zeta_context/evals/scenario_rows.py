"""Scenarios as rows for machines: dictionaries, JSON lines, and Parquet where pyarrow is there.

Fields that this version does not know are ignored, those it misses get their defaults. In Parquet
the columns to search by are columns and the rest is one column of JSON. Knows no Markdown.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zeta_context.errors import EvalError, PromptError
from zeta_context.evals.scenario import Scenario
from zeta_context.installation import install_command
from zeta_context.prompt.codec import decode_dict, encode_dict, make_converter
from zeta_context.prompt.input import PromptInput

if TYPE_CHECKING:
    from cattrs import Converter

SCENARIO_SCHEMA = 1
_COLUMNS = ("name", "path", "repository_url", "revision", "origin")
_PARQUET_ROWS = 1_000


def to_row(scenario: Scenario) -> dict[str, Any]:
    """The scenario as plain data."""
    return {"schema": SCENARIO_SCHEMA, **_converter().unstructure(scenario)}


def from_row(row: Mapping[str, Any]) -> Scenario:
    """The scenario that `to_row` gave; raises EvalError."""
    schema = row.get("schema")
    if type(schema) is not int or not 1 <= schema <= SCENARIO_SCHEMA:
        raise EvalError(f"no scenario: its schema is {schema!r}, not 1 to {SCENARIO_SCHEMA}")
    try:
        return _converter().structure(row, Scenario)
    except PromptError:
        raise
    except Exception:
        # What cattrs says holds the values, which may be text of somebody's files.
        raise EvalError(f"no scenario: a field of {row.get('name', 'a row')!r} is wrong") from None


def read_jsonl(path: Path) -> Iterator[Scenario]:
    """The scenarios of a file of JSON lines, one by one; raises EvalError."""
    with path.open(encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
                if not isinstance(row, dict):
                    raise EvalError("no scenario: no JSON object")
                yield from_row(row)
            except (ValueError, EvalError, PromptError) as error:
                what = error if isinstance(error, EvalError | PromptError) else "no JSON"
                raise EvalError(f"{path.name}:{number}: {what}") from None


def write_jsonl(path: Path, scenarios: Iterable[Scenario]) -> int:
    """Write scenarios as JSON lines, one by one; how many there were."""
    count = 0
    with path.open("w", encoding="utf-8") as file:
        for one in scenarios:
            file.write(json.dumps(to_row(one)) + "\n")
            count += 1
    return count


def read_parquet(path: Path) -> Iterator[Scenario]:
    """The scenarios of a Parquet file, a batch at a time; raises EvalError without pyarrow."""
    parquet = _import_parquet()
    with parquet.ParquetFile(path) as file:
        if "scenario" not in file.schema_arrow.names:
            raise EvalError(f"{path.name} has no column 'scenario'")
        for batch in file.iter_batches(batch_size=_PARQUET_ROWS, columns=["scenario"]):
            for value in batch.column(0).to_pylist():
                yield from_row(json.loads(value))


def write_parquet(path: Path, scenarios: Iterable[Scenario]) -> int:
    """Write scenarios as Parquet (zstd), a row group at a time; how many there were."""
    import pyarrow

    parquet = _import_parquet()
    schema = pyarrow.schema([(name, pyarrow.string()) for name in (*_COLUMNS, "scenario")])
    count = 0
    with parquet.ParquetWriter(path, schema, compression="zstd") as writer:
        for rows in _batches(scenarios):
            columns = {name: [str(row[name]) for row in rows] for name in _COLUMNS}
            columns["scenario"] = [json.dumps(row) for row in rows]
            writer.write_table(pyarrow.table(columns, schema=schema))
            count += len(rows)
    return count


def _batches(scenarios: Iterable[Scenario]) -> Iterator[list[dict[str, Any]]]:
    rows: list[dict[str, Any]] = []
    for one in scenarios:
        rows.append(to_row(one))
        if len(rows) == _PARQUET_ROWS:
            yield rows
            rows = []
    if rows:
        yield rows


def _import_parquet() -> Any:
    try:
        from pyarrow import parquet
    except ImportError:
        raise EvalError(
            f"Parquet needs pyarrow: {install_command('train')}, or use JSON lines"
        ) from None
    return parquet


@cache
def _converter() -> Converter:
    def structure_exactly(value: Any, kind: type) -> Any:
        if type(value) is not kind:
            raise TypeError(f"not of type {kind.__name__}")
        return value

    converter = make_converter()
    converter.register_structure_hook(int, structure_exactly)
    converter.register_structure_hook(bool, structure_exactly)
    converter.register_unstructure_hook(PromptInput, encode_dict)
    converter.register_structure_hook(PromptInput, lambda data, _: decode_dict(data))
    return converter
