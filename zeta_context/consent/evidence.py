"""What a licence verdict rests on: which files, with which content, at which commit.

Plain records; knows nothing of how licences are told. A verdict holds for the commit it was made
at and no other.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class LicenceFile:
    """One licence file by its POSIX path below the root, and what it holds.

    `licence` is the SPDX identifier that it was told as, empty for none; `sha256` is of the bytes,
    in hexadecimal digits; `blob` is git's object name of the file at HEAD, empty when it has none.
    """

    path: str
    sha256: str
    size: int
    licence: str = ""
    blob: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """A verdict on the licence of a project, or of a file in it.

    `reason` is `accepted`, or a machine-readable word for what is wrong; `detail` says it to
    people. `head_commit` is the commit that was looked at.
    """

    is_accepted: bool
    reason: str
    detail: str = ""
    licences: tuple[str, ...] = ()
    files: tuple[LicenceFile, ...] = ()
    head_commit: str = ""
    detector: str = ""

    @property
    def digest(self) -> str:
        """SHA-256 of the verdict and the files it rests on, whichever commit holds them."""
        content = {
            "accepted": self.is_accepted,
            "reason": self.reason,
            "licences": list(self.licences),
            "files": [[file.path, file.sha256, file.licence] for file in self.files],
            "detector": self.detector,
        }
        text = json.dumps(content, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()
