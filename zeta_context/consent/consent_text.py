"""What the user is asked, word for word: versioned, since a consent holds for the words it saw.

A change of any word that says what is done with what needs a new version; consents to older ones
then pause until the user is asked again. Data only.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Literal

Purpose = Literal["starting_state", "settled_text"]
"""What is consented to: two things, each on its own."""

PURPOSES: tuple[Purpose, ...] = ("starting_state", "settled_text")


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsentText:
    """One version of one question; `template` names the processors in braces."""

    purpose: Purpose
    version: int
    template: str

    def render(self, *, server: str, operator: str, teacher: str) -> str:
        """The exact words that the user is shown, with the processors named."""
        return self.template.format(server=server, operator=operator, teacher=teacher)

    @property
    def digest(self) -> str:
        """SHA-256 of the template: a changed word under an old version is noticed."""
        return hashlib.sha256(self.template.encode()).hexdigest()


STARTING_STATE = ConsentText(
    purpose="starting_state",
    version=1,
    template="""\
May examples of your editing in this project be collected, to train a model that predicts edits?

What is collected: at some of the moments when a prediction is asked for, the text around your
cursor, your recent edits, excerpts of related files of this project, with their paths in the
project, the diagnostics near the cursor, the prediction that was made, and whether it was shown,
accepted or rejected. With it go a random number for this installation, the name of the project's
folder, its current commit and its licence. Not collected: your name, your address, where the
project lies on your disk, files that git ignores or does not track, files that are excluded,
anything in which a secret is found, and what you write afterwards.

Only while this project is open source: its licence files are checked every time.

Who gets it:
- {operator}, who runs the collection server {server}
  and keeps it there to train models;
- {teacher}, the provider of the teacher model, which is sent parts of it to write training targets.
Models that are trained from it may be published.

When: nothing is sent before a waiting time (a day, unless you set another) is over. Until then you
can read, remove and change all of it: `zeta-context spool list`. What was sent is written down:
`zeta-context ledger show`.

For how long: your consent ends after 180 days, or at once with `zeta-context consent withdraw`.
Withdrawing wipes what waits on this machine and asks the server to delete what it has. A model that
was already trained is not changed by it.""",
)

SETTLED_TEXT = ConsentText(
    purpose="settled_text",
    version=1,
    template="""\
May, besides, what you wrote after a prediction be collected?

What is collected: the text of the same region of the same file a while after a prediction was made,
to measure how much of the prediction you kept. It is used for that measure and not to train on.

It goes to {operator} at {server}, and to nobody else ({teacher} does not get it). All else is as
for the first question, without which this one has no effect; you can withdraw it on its own.""",
)

TEXTS: dict[Purpose, ConsentText] = {"starting_state": STARTING_STATE, "settled_text": SETTLED_TEXT}
