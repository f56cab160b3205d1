"""A disk that is full or read-only, and no files left to open: the editor notices nothing."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there are no such limits")


def run(limit: str, folder: Path) -> dict[str, object]:
    done = subprocess.run(
        [sys.executable, "-m", "tests.faults.limited", limit, str(folder)],
        capture_output=True, text=True, check=False, timeout=50,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    told: dict[str, object] = json.loads(done.stdout.splitlines()[-1])
    return told


def test_bad_input_22_on_a_full_disk_records_are_dropped_counted_and_later_kept_again(
    tmp_path: Path,
) -> None:
    told = run("disk", tmp_path)
    assert told["kept"] == 2
    assert told["dropped"] == {"disk_full": 5}


def test_bad_input_22_an_open_spool_needs_no_more_files(tmp_path: Path) -> None:
    told = run("files", tmp_path)
    assert told["kept"] == 7


def test_bad_input_22_a_spool_that_cannot_be_made_is_counted(tmp_path: Path) -> None:
    from tests.capture.test_recorder import Place

    place = Place(tmp_path)
    (tmp_path / "spool").write_text("a file where the folder should be")
    place.offer()
    place.recorder.close()
    assert place.counts.total("capture_disk_full") == 1
    assert place.counts.total("captured") == 0
