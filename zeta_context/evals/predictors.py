"""The predictor settings that an evaluation can name on the command line.

A setting is a name and its options, `repeat` or `repeat,pause=600,min_confidence=0.8`: what makes
predictions, and how the editor asks for them. Knows nothing of sessions or scores.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass

from zeta_context.errors import SettingsError
from zeta_context.predict.prediction import Discarded, Prediction
from zeta_context.predict.proposers.repeat import RepeatProposer, RepeatSettings
from zeta_context.predict.view import Proposer, View
from zeta_context.text.diff import diff_text

PAUSE_MS = 300
"""An editor asks when the user did nothing for this long: the reference client's throttle."""

LATENCY_MS = 20
"""How long an answer is taken to need on the session's clock, which no machine may slow down."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PredictorSetting:
    """What predicts and when it is asked. `spec` is the text that names it, in full.

    `make_proposers` gives fresh proposers for one session, or None for the library's own default.
    """

    spec: str
    make_proposers: Callable[[], Sequence[Proposer] | None]
    pause_ms: int = PAUSE_MS
    latency_ms: int = LATENCY_MS


def read_setting(spec: str) -> PredictorSetting:
    """The setting that `spec` names; raises SettingsError, which lists what there is."""
    name, *parts = spec.split(",")
    options = dict(_read_option(part) for part in parts)
    timing = {
        key: read_whole(key, options.pop(key, default))
        for key, default in (("pause", str(PAUSE_MS)), ("latency", str(LATENCY_MS)))
    }
    make = _PREDICTORS.get(name)
    if make is None:
        raise SettingsError(f"no predictor {name!r}: there are {', '.join(_PREDICTORS)}")
    told = [name, *(f"{key}={value}" for key, value in sorted(options.items()))]
    told += [f"{key}={value}" for key, value in timing.items()]
    return PredictorSetting(
        spec=",".join(told),
        make_proposers=make(options),
        pause_ms=timing["pause"],
        latency_ms=timing["latency"],
    )


class PreviousStateProposer:
    """An adversary: always proposes a text that the document had before.

    What a model does that has learnt to imitate the edit history it is shown: the text of `back`
    questions ago. Any guard worth its name shows nothing of it.
    """

    def __init__(self, back: int = 1) -> None:
        self._back = back
        self._texts: dict[tuple[str, str], list[str]] = {}

    @property
    def name(self) -> str:
        """What its predictions carry as `proposer`."""
        return "previous-state"

    def propose(self, view: View) -> Prediction | Discarded:
        """The text seen of this document `back` texts before its text now."""
        document = view.document
        seen = self._texts.setdefault((document.project, document.path), [])
        now = document.snapshot.text
        if not seen or seen[-1] != now:
            seen.append(now)
        if len(seen) <= self._back:
            return Discarded(reason="no_events", detail="no earlier text was seen")
        edits = diff_text(now, seen[-1 - self._back])
        digest = hashlib.sha256(f"{document.path}\0{document.version}".encode()).hexdigest()
        return Prediction(
            id=digest[:16],
            project=document.project,
            path=document.path,
            version=document.version,
            edits=edits,
            proposer=self.name,
            why="this is what stood here before",
        )


def _make_repeat(options: Mapping[str, str]) -> Callable[[], Sequence[Proposer]]:
    known = asdict(RepeatSettings())
    for key, value in options.items():
        if key not in known:
            raise SettingsError(f"repeat has no option {key!r}: there are {', '.join(known)}")
        try:
            known[key] = type(known[key])(value)
        except ValueError:
            raise SettingsError(f"{key} is no number: {value!r}") from None
    settings = RepeatSettings(**known)
    return lambda: (RepeatProposer(settings),)


def _make_default(options: Mapping[str, str]) -> Callable[[], None]:
    _refuse(options, "default")
    return lambda: None


def _make_previous_state(options: Mapping[str, str]) -> Callable[[], Sequence[Proposer]]:
    back = read_whole("back", options.get("back", "1"))
    _refuse({key: value for key, value in options.items() if key != "back"}, "previous-state")
    return lambda: (PreviousStateProposer(max(1, back)),)


_PREDICTORS: Mapping[
    str, Callable[[Mapping[str, str]], Callable[[], Sequence[Proposer] | None]]
] = {
    "default": _make_default,
    "repeat": _make_repeat,
    "previous-state": _make_previous_state,
}


def _refuse(options: Mapping[str, str], name: str) -> None:
    for key in options:
        raise SettingsError(f"{name} has no option {key!r}")


def _read_option(part: str) -> tuple[str, str]:
    key, is_given, value = part.partition("=")
    if not is_given or not key or not value:
        raise SettingsError(f"an option is written NAME=VALUE, not {part!r}")
    return key.strip(), value.strip()


def read_whole(key: str, value: str) -> int:
    """The number that an option's value is; raises SettingsError."""
    if not (value.isascii() and value.isdecimal()):
        raise SettingsError(f"{key} is a whole number, not {value!r}")
    return int(value)
