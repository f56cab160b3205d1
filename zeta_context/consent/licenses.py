"""Is this project open source, and what is that known from: evidence on its licence files.

Strict on purpose: every licence-like file at the root has to be an accepted licence, committed and
unmodified; what the project declares must agree; and a file is covered only if the licences of all
folders above it are accepted too. Runs nothing of the project. Knows nothing of consent.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath

from zeta_context.consent.evidence import Evidence, LicenceFile
from zeta_context.consent.licence_match import TextVerdict, load_references, match_text
from zeta_context.consent.licence_names import (
    METADATA_FILES,
    TEXT_FOLDERS,
    Undeclarable,
    agrees,
    find_declared,
    find_header,
    guess_other,
    is_licence_name,
)
from zeta_context.consent.licence_text import MAX_BYTES
from zeta_context.consent.safe_read import CannotRead, read_small_file
from zeta_context.repository.worktree import Worktree

DETECTOR_VERSION = 1
MAX_FILES = 50
"""How many licence files are looked at; a project with more is refused."""

_MAX_ENTRIES = 20_000
_LONG_DECLARATION = 200


class _Refused(Exception):
    """A reason to refuse, its words for people, and the files that were looked at."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.detail = detail


def detector() -> str:
    """What tells licences here: a change of any part of it makes older evidence another one."""
    return f"zeta-context/{DETECTOR_VERSION}/{load_references().version}"


def accepted_licences() -> tuple[str, ...]:
    """The SPDX identifiers of the licences that are accepted."""
    return tuple(sorted({reference.name for reference in load_references().licences}))


def find_evidence(worktree: Worktree, paths: Iterable[str] = ()) -> Evidence:
    """The evidence for a repository, and for some files of it by their paths below its root.

    Raises RepositoryError when git cannot be asked; everything else is a verdict with a reason.
    """
    head = worktree.head().sha or ""
    files: list[LicenceFile] = []
    try:
        if not head:
            raise _Refused("no_commit", "nothing was committed yet")
        licences = _check_folder(worktree, "", files)
        if not licences:
            raise _Refused("no_licence_file", "there is no licence file at the root")
        _check_declared(worktree.root, "", licences)
        for folder in _folders_above(paths):
            nested = _check_folder(worktree, folder, files)
            if nested:
                licences |= nested
            _check_declared(worktree.root, folder, nested or licences)
        for path in paths:
            _check_header(worktree.root, path, licences)
    except _Refused as refusal:
        return Evidence(
            is_accepted=False,
            reason=refusal.reason,
            detail=refusal.detail,
            licences=tuple(sorted({file.licence for file in files if file.licence})),
            files=tuple(files),
            head_commit=head,
            detector=detector(),
        )
    return Evidence(
        is_accepted=True,
        reason="accepted",
        detail=f"{' and '.join(sorted(licences))}, committed and unmodified",
        licences=tuple(sorted(licences)),
        files=tuple(files),
        head_commit=head,
        detector=detector(),
    )


def _check_folder(worktree: Worktree, folder: str, files: list[LicenceFile]) -> set[str]:
    """The licences of a folder's own licence files, all of which have to be accepted."""
    licences = set()
    for path in _licence_paths(worktree, folder):
        if len(files) >= MAX_FILES:
            raise _Refused("too_many_licence_files", f"more than {MAX_FILES} licence files")
        content = _read_committed(worktree, path)
        verdict = match_text(content)
        files.append(
            LicenceFile(
                path=path,
                sha256=hashlib.sha256(content).hexdigest(),
                size=len(content),
                licence=verdict.licence,
                blob=hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest(),
            )
        )
        if not verdict.licence:
            raise _Refused(f"licence_{verdict.reason}", _explain(path, content, verdict))
        licences.add(verdict.licence)
    return licences


def _licence_paths(worktree: Worktree, folder: str) -> list[str]:
    """The licence-like files of a folder, in the working tree and in HEAD."""
    found: set[str] = set()
    for name in {*_names(worktree.root / folder), *worktree.head_names(folder)}:
        path = f"{folder}/{name}" if folder else name
        if name.lower() in TEXT_FOLDERS and not _is_file(worktree.root / path):
            inside = {*_names(worktree.root / path), *worktree.head_names(path)}
            found.update(f"{path}/{one}" for one in inside)
        elif is_licence_name(name, is_folder=(worktree.root / path).is_dir()):
            found.add(path)
    return sorted(found)


def _names(folder: Path) -> Iterator[str]:
    try:
        with os.scandir(folder) as entries:
            for n, entry in enumerate(entries):
                if n >= _MAX_ENTRIES:
                    raise _Refused("too_many_files", "a folder has too many files to look through")
                yield entry.name
    except (FileNotFoundError, NotADirectoryError):
        return
    except OSError:
        raise _Refused("folder_unreadable", "a folder cannot be read") from None


def _is_file(path: Path) -> bool:
    try:
        return stat.S_ISREG(path.lstat().st_mode)
    except OSError:
        return False


def _read_committed(worktree: Worktree, path: str) -> bytes:
    """A licence file as HEAD has it, which has to be what the working tree has."""
    full = worktree.root / path
    if not os.path.lexists(full):
        raise _Refused("licence_modified", f"{path} is in the last commit but is gone")
    if not _is_file(full):
        raise _Refused("licence_not_a_file", f"{path} is a link, a folder or a special file")
    content = _read(full, path)
    committed = worktree.head_text(path)
    if committed is None:
        raise _Refused("licence_not_committed", f"{path} is not part of the last commit")
    if content not in (committed, committed.replace(b"\n", b"\r\n")):
        raise _Refused("licence_modified", f"{path} differs from the last commit")
    return committed


def _read(full: Path, path: str) -> bytes:
    try:
        if full.lstat().st_size > MAX_BYTES:
            raise _Refused("licence_too_large", f"{path} is larger than {MAX_BYTES} bytes")
        content = read_small_file(full)
    except (CannotRead, OSError):
        content = None
    if content is None:
        raise _Refused("licence_unreadable", f"{path} cannot be read")
    return content


def _check_declared(root: Path, folder: str, licences: set[str]) -> None:
    """What the metadata of a folder declare must agree with the licences that hold there."""
    for name in METADATA_FILES:
        full = root / folder / name
        path = f"{folder}/{name}" if folder else name
        if not os.path.lexists(full):
            continue
        try:
            content = read_small_file(full)
            declared = () if content is None else tuple(find_declared(name, content))
        except (CannotRead, OSError, Undeclarable):
            raise _Refused("metadata_unreadable", f"{path} cannot be read") from None
        for one in declared:
            if len(one) > _LONG_DECLARATION:
                if match_text(one.encode()).licence not in licences:
                    raise _Refused("declared_otherwise", f"{path} holds another licence text")
            elif not agrees(one, licences):
                told = " and ".join(sorted(licences))
                raise _Refused(
                    "declared_otherwise", f"{path} declares {one!r}, the licence file is {told}"
                )


def _check_header(root: Path, path: str, licences: set[str]) -> None:
    """A licence named in a source file's first lines must be one that was found."""
    try:
        content = read_small_file(root / path)
    except (CannotRead, OSError):
        raise _Refused("file_unreadable", f"{path} cannot be read") from None
    declared = find_header(content) if content else ""
    if declared and not agrees(declared, licences):
        raise _Refused("header_otherwise", f"{path} names another licence in its first lines")


def _folders_above(paths: Iterable[str]) -> list[str]:
    """The folders between the root and the files, outer ones first."""
    found = {
        parent.as_posix() for path in paths for parent in PurePosixPath(path).parents if parent.name
    }
    return sorted(found, key=lambda folder: (folder.count("/"), folder))


def _explain(path: str, content: bytes, verdict: TextVerdict) -> str:
    """Why a file is no accepted licence, with the first words that are not its own."""
    match verdict.reason:
        case "empty":
            return f"{path} is empty"
        case "not_plain_text":
            return f"{path}: {verdict.excerpt}"
    other = guess_other(content.decode("utf-8", "replace"))
    if other:
        return f"{path} reads like {other}, which is not accepted"
    where = f'; it departs from all of them at "{verdict.excerpt}"' if verdict.excerpt else ""
    return f"{path} is none of the accepted licences, word for word{where}"
