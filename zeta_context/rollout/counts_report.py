"""What goes over the wire of outcomes: rows of counts, and the consent that stands behind them.

A report is a msgpack map without text: names of variants, counts, identifiers. Knows nothing of
connections or of where rows are kept.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, cast

from zeta_context.capture.batch import is_identifier
from zeta_context.errors import CaptureError
from zeta_context.rollout.outcomes import OutcomeCounts, decode_row

COUNTS_PATH = "/v1/counts"
REPORT_SCHEMA = 1
MAX_ROWS = 200
MAX_REPORT_BYTES = 262_144


@dataclass(frozen=True, slots=True, kw_only=True)
class CountsReport:
    """Rows of one installation; `paper` is the standing `consent` for `project`, as JSON."""

    installation: str
    project: str
    consent: str
    paper: str
    rows: tuple[OutcomeCounts, ...]


def encode_report(report: CountsReport) -> bytes:
    """The report as it is sent."""
    import msgpack

    table = {
        "schema": REPORT_SCHEMA,
        "installation": report.installation,
        "project": report.project,
        "consent": report.consent,
        "paper": report.paper,
        "rows": [asdict(row) for row in report.rows],
    }
    return cast("bytes", msgpack.packb(table))


def decode_report(data: bytes) -> CountsReport:
    """The report in hostile bytes; raises CaptureError for what is none, or is too large."""
    import msgpack

    if len(data) > MAX_REPORT_BYTES:
        raise CaptureError(f"a report has at most {MAX_REPORT_BYTES:,} bytes")
    try:
        table = msgpack.unpackb(data)
        if table["schema"] != REPORT_SCHEMA:
            raise CaptureError(f"the schema of this report is not {REPORT_SCHEMA}")
        report = CountsReport(
            installation=table["installation"],
            project=table["project"],
            consent=table["consent"],
            paper=table["paper"],
            rows=tuple(map(decode_row, table["rows"][: MAX_ROWS + 1])),
        )
    except CaptureError:
        raise
    except Exception:  # whatever a parser makes of bytes that were made to break it
        raise CaptureError("bytes that are no report of counts") from None
    _check(report)
    return report


def encode_taken(rows: Sequence[OutcomeCounts]) -> bytes:
    """What a server answers: the rows that it has for good."""
    return json.dumps({"taken": [row.id for row in rows]}).encode()


def decode_taken(data: bytes) -> frozenset[str]:
    """The rows that a server says it has; none where it says something else."""
    try:
        taken = cast("Mapping[str, Any]", json.loads(data))["taken"]
        return frozenset(one for one in taken if isinstance(one, str))
    except (ValueError, KeyError, TypeError, RecursionError):
        return frozenset()


def _check(report: CountsReport) -> None:
    words = (report.installation, report.project, report.consent)
    if not all(isinstance(one, str) and is_identifier(one) for one in words):
        raise CaptureError("a report names an installation, a project and a consent")
    if not isinstance(report.paper, str) or not 0 < len(report.rows) <= MAX_ROWS:
        raise CaptureError(f"a report holds a consent and 1 to {MAX_ROWS} rows")
    ids = [row.id for row in report.rows]
    if len(set(ids)) != len(ids) or not all(map(is_identifier, ids)):
        raise CaptureError("each row has an identifier of its own")
    if any(row.install != report.installation for row in report.rows):
        raise CaptureError("a row is of another installation than the report")
