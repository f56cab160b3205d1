"""The shadow of a session, where its user named a candidate: wiring only.

The candidate is what the product would be with that model: the embedded proposers before it, the
same checks after it.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from zeta_context.consent.state_folder import make_private_folder, state_folder
from zeta_context.counts import Counts
from zeta_context.events.projects import Projects
from zeta_context.predict.arbiter import Arbiter
from zeta_context.predict.checks import Checks
from zeta_context.predict.proposers.configured import make_proposers
from zeta_context.predict.settings import PredictSettings
from zeta_context.rollout.following import RolloutSettings
from zeta_context.rollout.kept_files import shadow_path
from zeta_context.rollout.shadow import ReadText, Shadow, write_shadow
from zeta_context.runners.endpoint import RemotePermission
from zeta_context.runners.settings import ModelSettings


def open_shadow(
    settings: RolloutSettings,
    model: ModelSettings,
    *,
    projects: Projects,
    predict: PredictSettings,
    remote: RemotePermission,
    read_text: ReadText,
    counts: Counts,
    folder: Path | None = None,
) -> Shadow | None:
    """The shadow that the settings name; None, which is counted, where its file cannot be."""
    try:
        folder = make_private_folder(state_folder() if folder is None else folder)
    except OSError:
        counts.add("shadow_state_unwritable")
        return None
    is_path = Path(settings.shadow_model).expanduser().exists()
    candidate = replace(
        model,
        runner="",
        id="" if is_path else settings.shadow_model,
        path=settings.shadow_model if is_path else "",
        endpoint="",
        format=settings.shadow_format,
    )
    proposers = make_proposers(projects, candidate, remote, counts)
    own = Counts()  # what the candidate does is no event of the session
    return Shadow(
        Arbiter(proposers, own, checks=Checks(predict.checks)),
        write_shadow(shadow_path(folder)),
        name=settings.shadow_model,
        counts=counts,
        read_text=read_text,
        share=settings.shadow_share,
    )
