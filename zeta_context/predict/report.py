"""What a running session tells its own user: names, counts and places, never text of a file."""

from __future__ import annotations

from zeta_context.counts import Counts
from zeta_context.events.projects import Projects
from zeta_context.events.tracker import Tracker


def report_session(projects: Projects, tracker: Tracker, counts: Counts) -> dict[str, object]:
    """The fields that `zeta-context doctor` shows of a session, ready for JSON."""
    return {
        "projects": [project.name for project in projects],
        "documents": len(tracker.documents()),
        "totals": counts.totals(),
        "recent": [
            {"at": reason.at, "name": reason.name, "place": reason.place}
            for reason in counts.recent()
        ],
    }
