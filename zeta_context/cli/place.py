"""Places on the command line: `FILE:LINE:COL`, counted from 1, as compilers print them.

Knows nothing of what is done there.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from zeta_context.text.point import Point
from zeta_context.text.snapshot import TextSnapshot


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A place in a file: `line` and `column` are 1-based, the column in code points."""

    file: Path
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.file.name}:{self.line}:{self.column}"

    def find(self, snapshot: TextSnapshot) -> Point:
        """The place in the file's text; raises BadParameter when the text does not have it."""
        if self.line > snapshot.row_count:
            raise click.BadParameter(f"{self.file.name} has {snapshot.row_count} lines")
        columns = len(snapshot.row(self.line - 1).rstrip("\r\n")) + 1
        if self.column > columns:
            raise click.BadParameter(
                f"line {self.line} of {self.file.name} ends at column {columns}"
            )
        return Point(self.line - 1, self.column - 1)


class PlaceType(click.ParamType[Place]):
    """`FILE:LINE:COL`, or `FILE:LINE` for the start of a line."""

    name = "FILE:LINE:COL"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> Place:
        if isinstance(value, Place):
            return value
        numbers: list[int] = []
        file = str(value)
        while len(numbers) < 2:
            head, colon, tail = file.rpartition(":")
            if not (colon and head and tail.isascii() and tail.isdecimal()):
                break
            file, numbers = head, [int(tail), *numbers]
        if not numbers or min(numbers) < 1:
            self.fail("write it as FILE:LINE:COL, counted from 1", param, ctx)
        return Place(file=Path(file), line=numbers[0], column=[*numbers, 1][1])
