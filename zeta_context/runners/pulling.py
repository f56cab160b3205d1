"""Fetches a model from the hub into the user's own folder, when the user asks for it.

A fetch that was broken off goes on where it was. Only weights that cannot run code, configuration
and tokenizer are fetched. Knows nothing of how models run.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from zeta_context.errors import ModelRefused, RunnerGone
from zeta_context.installation import install_command
from zeta_context.runners.installed import (
    InstalledModel,
    is_model_file,
    models_folder,
    write_manifest,
)

OnProgress = Callable[[int, int], None]
"""Takes the bytes that are here and the bytes that there will be, 0 while that is not known."""

_WHOLE = ("*.safetensors", "*.json", "*.model", "merges.txt", "vocab.txt")
_NEVER = ("*/*", "*.py", "adapter_*", "training_*", "optimizer*")


def pull_model(
    repository: str,
    *,
    name: str,
    format_name: str = "",
    file: str = "",
    revision: str | None = None,
    folder: Path | None = None,
    on_progress: OnProgress = lambda _, __: None,
) -> InstalledModel:
    """Fetch a repository's model, or one GGUF `file` of it, check it and write its manifest.

    Raises ModelRefused for a model that is not there, not open to this user, unsafe or damaged,
    and RunnerGone when the hub cannot be reached.
    """
    if importlib.util.find_spec("huggingface_hub") is None:
        raise ModelRefused(
            f"fetching models needs huggingface_hub: `{install_command('local')}`; without "
            "it, bring the files here and use `zeta-context model import`"
        )
    folder = models_folder() if folder is None else folder
    target, partial = folder / name, folder / f".pulling-{name}"
    if os.path.lexists(target):
        raise ModelRefused(f"a model {name} is installed already")
    try:
        partial.mkdir(mode=0o700, parents=True, exist_ok=True)
        _fetch(repository, partial, file=file, revision=revision, on_progress=on_progress)
        shutil.rmtree(partial / ".cache", ignore_errors=True)
        names = [one.name for one in partial.iterdir() if one.is_file() and is_model_file(one.name)]
        write_manifest(partial, names, format_name=format_name, source=repository)
        partial.rename(target)
    except OSError as problem:
        raise ModelRefused(f"{name} cannot be kept: {problem.strerror or 'no reason'}") from None
    return InstalledModel(**_renamed(target))


def _renamed(target: Path) -> dict[str, Any]:
    from zeta_context.runners.installed import find_installed

    found = find_installed(target.name, target.parent)
    if found is None:
        raise ModelRefused(f"{target.name} was changed while it was installed")
    return {name: getattr(found, name) for name in InstalledModel.__dataclass_fields__}


def _fetch(
    repository: str, partial: Path, *, file: str, revision: str | None, on_progress: OnProgress
) -> None:
    from huggingface_hub import HfApi, errors, snapshot_download
    from huggingface_hub.utils import filter_repo_objects

    patterns: dict[str, Any] = {
        "allow_patterns": [file] if file else list(_WHOLE),
        "ignore_patterns": list(_NEVER),
    }
    try:
        told = HfApi().model_info(repository, revision=revision)
        snapshot_download(
            repository,
            revision=told.sha,
            local_dir=partial,
            tqdm_class=_progress_bar(on_progress),
            **patterns,
        )
    except errors.GatedRepoError:
        raise ModelRefused(
            f"{repository} asks for consent to its licence: give it on its page, then log in with "
            "`hf auth login`"
        ) from None
    except (errors.RepositoryNotFoundError, errors.RevisionNotFoundError):
        raise ModelRefused(f"the hub has no {repository}, or not for you") from None
    except errors.HFValidationError:
        raise ModelRefused("a repository is called OWNER/NAME") from None
    except errors.RemoteEntryNotFoundError:
        raise ModelRefused(f"{repository} lacks a file that it lists") from None
    except errors.OfflineModeIsEnabled:
        raise _unreachable("HF_HUB_OFFLINE is set") from None
    except errors.HfHubHTTPError as problem:
        raise _unreachable(_tell_status(problem)) from None
    except errors.LocalEntryNotFoundError:
        raise _unreachable() from None
    except Exception as problem:
        # Which HTTP library the hub's client uses changes with its versions; theirs are the rest.
        if type(problem).__module__.partition(".")[0] in (
            "httpx",
            "httpx2",
            "httpcore",
            "requests",
        ):
            raise _unreachable() from None
        raise
    # Where the hub goes away in between, its client gives back what there is, as if it were all.
    names = [one.rfilename for one in told.siblings or ()]
    if not all((partial / name).is_file() for name in filter_repo_objects(names, **patterns)):
        raise _unreachable()
    wanted = [one for one in partial.iterdir() if one.suffix in (".safetensors", ".gguf")]
    if not wanted:
        what = file or "weights as safetensors"
        raise ModelRefused(f"{repository} has no {what}")


def _tell_status(problem: Any) -> str:
    """What the hub answered instead of a file."""
    status = getattr(getattr(problem, "response", None), "status_code", None)
    if status == 401:
        return "it does not take your token: `hf auth login` gives it another"
    return f"it answered {status}" if status else ""


def _unreachable(why: str = "") -> RunnerGone:
    """`HF_ENDPOINT` names another hub than the usual one: so its address is told."""
    from huggingface_hub import constants

    return RunnerGone(
        f"the hub at {constants.ENDPOINT} cannot be reached, now or from here"
        f"{f' ({why})' if why else ''}; what was fetched is kept, and the next try goes on from "
        "there. On a machine without a network use `zeta-context model import`"
    )


def _progress_bar(on_progress: OnProgress) -> Any:
    """A class that the hub's client takes for its progress bar; only bytes are told."""
    from tqdm.auto import tqdm

    def display(bar: Any, *_: object, **__: object) -> bool:
        if bar.unit == "B":
            on_progress(int(bar.n), int(bar.total or 0))
        return True

    return type("Progress", (tqdm,), {"display": display})
