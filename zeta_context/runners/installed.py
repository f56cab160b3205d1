"""The models on this machine, in the user's own data folder: each a folder with a manifest.

Files come in by copying or linking and are checked before and hashed once; nothing is fetched
here. Knows nothing of how models run.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from zeta_context.errors import ModelRefused
from zeta_context.installation import find_installation
from zeta_context.runners.local.model_files import inspect_model

MANIFEST = "zeta-context-model.json"
MANIFEST_SCHEMA = 1

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_KEPT = (".safetensors", ".json", ".model", ".txt", ".gguf")
"""What of a model's folder is taken over: weights, configuration, tokenizer. No code, no pickle."""

OnBytes = Callable[[int], None]
"""Takes the number of bytes that were read since the last call."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InstalledModel:
    """One model: `path` is what a runner loads, a folder or a GGUF file.

    `format` is the prompt format it was installed for, empty if unknown; `sha256` are the digests
    of its files by name; `source` is where it came from, a repository or `import`.
    """

    name: str
    path: Path
    format: str = ""
    source: str = ""
    sha256: Mapping[str, str]
    size_bytes: int


def models_folder() -> Path:
    """Where this user's models are, whether or not there are any."""
    from platformdirs import user_data_path

    return user_data_path("zeta-context", appauthor=False) / "models"


def list_installed(folder: Path | None = None) -> tuple[InstalledModel, ...]:
    """The installed models by name; a folder without a sound manifest is none."""
    folder = models_folder() if folder is None else folder
    if not folder.is_dir():
        return ()
    found = (_read_manifest(one) for one in sorted(folder.iterdir()) if one.is_dir())
    return tuple(one for one in found if one is not None)


def find_installed(name: str, folder: Path | None = None) -> InstalledModel | None:
    """The installed model of a name, in any case; raises ModelRefused for a newer version's."""
    wanted = name.lower()
    found = next((one for one in list_installed(folder) if one.name.lower() == wanted), None)
    if found is None and _NAME.fullmatch(name):
        _refuse_newer((models_folder() if folder is None else folder) / name)
    return found


def import_model(
    source: Path,
    *,
    name: str = "",
    format_name: str = "",
    folder: Path | None = None,
    as_link: bool = False,
    on_bytes: OnBytes = lambda _: None,
) -> InstalledModel:
    """Take a GGUF file or a model's folder over, copied or (with `as_link`) by links.

    Raises ModelRefused for files that are damaged, unsafe or missing, for a name that is taken or
    is none, and when there is no room.
    """
    files = inspect_model(source)
    name = name or files.name
    if not _NAME.fullmatch(name):
        raise ModelRefused("a model's name is of letters, digits, dots, dashes and underscores")
    folder = models_folder() if folder is None else folder
    target = folder / name
    if os.path.lexists(target):
        raise ModelRefused(f"a model {name} is installed already: choose another name")
    names = list(files.weights)
    if not files.is_gguf:
        names += [one.name for one in sorted(source.iterdir()) if _is_kept(one, files.weights)]
    origin = source.parent if files.is_gguf else source
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".importing-", dir=folder) as making:
            new = Path(making) / name
            new.mkdir()
            for one in names:
                _take_over(origin / one, new / one, as_link=as_link)
            installed = write_manifest(
                new, names, format_name=format_name, source="import", on_bytes=on_bytes
            )
            new.rename(target)
    except OSError as problem:
        raise ModelRefused(f"{name} cannot be imported: {problem.strerror}") from None
    return _at(installed, target)


def write_manifest(
    folder: Path,
    names: Iterable[str],
    *,
    format_name: str,
    source: str,
    on_bytes: OnBytes = lambda _: None,
) -> InstalledModel:
    """Check a folder's model, hash its files, and write down what it is; raises ModelRefused."""
    names = sorted(names)
    weights = [one for one in names if one.endswith(".gguf")]
    inspect_model(folder / weights[0] if weights else folder)
    for one in names:
        if one.endswith(".safetensors"):
            check_safetensors(folder / one)
    installed = InstalledModel(
        name=folder.name,
        path=folder / weights[0] if weights else folder,
        format=format_name,
        source=source,
        sha256={one: _digest(folder / one, on_bytes) for one in names},
        size_bytes=sum((folder / one).stat().st_size for one in names),
    )
    facts = {**asdict(installed), "path": weights[0] if weights else ""}
    text = json.dumps({"schema": MANIFEST_SCHEMA, **facts}, indent=2)
    (folder / MANIFEST).write_text(text + "\n", encoding="utf-8")
    return installed


def check_safetensors(path: Path) -> None:
    """Raise ModelRefused unless the file's head describes exactly the bytes that follow it.

    Source: the format's description; tensors lie without gaps or overlaps.
    """
    damaged = ModelRefused(f"{path.name} is damaged or no safetensors file")
    size = path.stat().st_size
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if not 2 <= length <= min(size - 8, 100_000_000):
            raise damaged
        try:
            head = json.loads(file.read(length))
            spans = sorted(
                tuple(map(int, tensor["data_offsets"]))
                for name, tensor in head.items()
                if name != "__metadata__"
            )
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            raise damaged from None
    at = 0
    for start, *end in spans:
        if start != at or len(end) != 1 or end[0] < start:
            raise damaged
        at = end[0]
    if at != size - 8 - length:
        raise damaged


def is_model_file(name: str) -> bool:
    """Whether a file of a repository belongs to a model as we use it."""
    return name.endswith(_KEPT) and "/" not in name and name != MANIFEST


def _is_kept(path: Path, weights: tuple[str, ...]) -> bool:
    is_other_weight = path.suffix in (".safetensors", ".gguf") and path.name not in weights
    return (
        path.is_file()
        and is_model_file(path.name)
        and not is_other_weight
        and path.name not in weights
    )


def _take_over(source: Path, target: Path, *, as_link: bool) -> None:
    if as_link:
        target.symlink_to(source.resolve())
    else:
        shutil.copyfile(source, target)


def _digest(path: Path, on_bytes: OnBytes) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
            on_bytes(len(chunk))
    return digest.hexdigest()


def _refuse_newer(folder: Path) -> None:
    try:
        schema = json.loads((folder / MANIFEST).read_bytes())["schema"]
    except (OSError, ValueError, KeyError, TypeError):
        return
    if isinstance(schema, int) and schema > MANIFEST_SCHEMA:
        raise ModelRefused(
            f"the model {folder.name} was installed by a newer version of zeta-context: "
            f"{find_installation().update_command()}"
        )


def _read_manifest(folder: Path) -> InstalledModel | None:
    try:
        facts: dict[str, Any] = json.loads((folder / MANIFEST).read_bytes())
        if facts["schema"] != MANIFEST_SCHEMA:
            return None
        file = str(facts["path"])
        if file and Path(file).name != file:
            return None
        return InstalledModel(
            name=folder.name,
            path=folder / file if file else folder,
            format=str(facts["format"]),
            source=str(facts["source"]),
            sha256={str(name): str(digest) for name, digest in facts["sha256"].items()},
            size_bytes=int(facts["size_bytes"]),
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def _at(installed: InstalledModel, folder: Path) -> InstalledModel:
    is_file = installed.path.name != installed.name
    return InstalledModel(
        name=installed.name,
        path=folder / installed.path.name if is_file else folder,
        format=installed.format,
        source=installed.source,
        sha256=installed.sha256,
        size_bytes=installed.size_bytes,
    )
