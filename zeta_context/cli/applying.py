"""Writes a prediction into its file: all of it or nothing, and only if the file is as predicted.

Keeps the file's encoding, byte order mark, line endings, mode and owner. Knows nothing of how the
prediction came about.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
import tempfile
from pathlib import Path

from zeta_context.errors import DocumentError, StaleSnapshot
from zeta_context.predict.prediction import Prediction
from zeta_context.text.decoding import Decoded, Newline, decode
from zeta_context.text.edit import TextEdit, apply_edits


def apply_prediction(root: Path, prediction: Prediction, text: str) -> None:
    """Write the prediction, made for `text`, into its file below `root`.

    Raises StaleSnapshot when the file holds another text by now, Unreadable when it cannot be read
    or its encoding lacks a character, DocumentError when it is no plain file below the root or may
    not be written.
    """
    name = prediction.path
    path = Path(os.path.realpath(root / name))
    if not path.is_relative_to(os.path.realpath(root)):
        raise DocumentError(f"{name} leads out of the project; it was not changed")
    try:
        facts = path.lstat()
        if not stat.S_ISREG(facts.st_mode):
            raise DocumentError(f"{name} is no plain file; it was not changed")
        if not (facts.st_mode & 0o222 and os.access(path, os.W_OK)):
            raise DocumentError(f"{name} is read-only; run `chmod u+w` on it first")
        data = path.read_bytes()
        decoded = decode(data)
        if decoded.text != text or decoded.encode(text) != data:
            raise StaleSnapshot(f"{name} changed meanwhile; predict again")
        edits = tuple(_with_newline(edit, decoded.newline) for edit in prediction.edits)
        _replace(path, data, decoded, apply_edits(text, edits))
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise DocumentError(f"{name} cannot be written: {reason}; it was not changed") from None


def _with_newline(edit: TextEdit, newline: Newline) -> TextEdit:
    """The edit with the file's own line ending, where the proposer wrote line feeds."""
    if newline in ("\n", "") or newline in edit.new_text:
        return edit
    return TextEdit(edit.span, edit.new_text.replace("\n", newline))


def _replace(path: Path, old: bytes, decoded: Decoded, text: str) -> None:
    """Put a complete new file in the place of the old one, which is looked at once more before."""
    data = decoded.encode(text)
    handle, temporary = tempfile.mkstemp(prefix=f".{path.name[:100]}.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        facts = path.stat()
        if hasattr(os, "chown"):
            with contextlib.suppress(PermissionError):
                os.chown(temporary, facts.st_uid, facts.st_gid)
        shutil.copymode(path, temporary)
        if path.read_bytes() != old:
            raise StaleSnapshot(f"{path.name} changed meanwhile; predict again")
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise
