"""Puts the parts of predicting together for a session; wiring only."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from zeta_context.context.gather import ContextGatherer, ContextSettings
from zeta_context.counts import Counts
from zeta_context.events.projects import Projects
from zeta_context.events.tracker import Tracker
from zeta_context.predict.arbiter import Arbiter
from zeta_context.predict.checks import Checks
from zeta_context.predict.closed_files import ClosedFiles
from zeta_context.predict.following import Follower
from zeta_context.predict.offers import Offers
from zeta_context.predict.predictor import Predictor
from zeta_context.predict.proposers.configured import make_proposers
from zeta_context.predict.proposers.ripple import RippleProposer
from zeta_context.predict.rejections import Rejections, rejections_folder
from zeta_context.predict.ripples import Ripples
from zeta_context.predict.settings import PredictSettings
from zeta_context.predict.sites import Sites
from zeta_context.predict.verify import Verifier
from zeta_context.predict.view import Proposer
from zeta_context.runners.endpoint import RemotePermission
from zeta_context.runners.settings import ModelSettings


class Parts(NamedTuple):
    """What a session talks to."""

    tracker: Tracker
    gatherer: ContextGatherer
    offers: Offers
    follower: Follower
    predictor: Predictor


def compose(
    projects: Projects,
    context: ContextSettings,
    settings: PredictSettings,
    proposers: Sequence[Proposer] | None,
    *,
    model: ModelSettings | None = None,
    remote: RemotePermission | None = None,
    counts: Counts,
    clock: Callable[[], float],
    sleep: Callable[[float], Awaitable[Any]] = asyncio.sleep,
) -> Parts:
    """The parts for some projects.

    Without proposers: what follows from the last change, what needs no model, and after them the
    model of the settings.
    """
    folder = None
    if settings.keep_rejections:
        folder = settings.rejections_folder or rejections_folder()
    rejections = Rejections(projects.root, folder=folder, counts=counts)
    offers = Offers(counts, rejections)
    ripples = Ripples()
    follower = Follower(offers, ripples)
    # Off is off: nobody will ask who typed what.
    observer = follower if settings.gating.enabled else None
    tracker = Tracker(counts=counts, clock=clock, observer=observer)
    if not settings.gating.enabled:
        # No server is started, either.
        context = replace(context, definitions=False)
    gatherer = ContextGatherer(projects, context, counts)
    if proposers is None:
        made = make_proposers(
            projects, model or ModelSettings(), remote or RemotePermission(), counts
        )
        ripple = RippleProposer(
            made, was_rejected=rejections.has_in, read_closed=ClosedFiles(projects).read
        )
        proposers = (ripple, *made)
    arbiter = Arbiter(proposers, counts, checks=Checks(settings.checks), rejections=rejections)
    predictor = Predictor(
        tracker,
        gatherer,
        arbiter,
        offers,
        follower,
        verifier=Verifier(projects, gatherer.server, counts=counts),
        sites=Sites(projects, tracker, ripples, gatherer.server, counts=counts, clock=clock),
        settings=settings,
        counts=counts,
        clock=clock,
        sleep=sleep,
    )
    return Parts(tracker, gatherer, offers, follower, predictor)
