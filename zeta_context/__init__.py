"""Next-edit prediction for every editor.

The public names, resolved on first use: importing the package loads none of its heavy parts.
"""

from typing import TYPE_CHECKING

__version__ = "0.1.0"

if TYPE_CHECKING:
    from zeta_context.counts import Counts
    from zeta_context.errors import ZetaError
    from zeta_context.predict.prediction import Discarded, Jump, Outcome, Prediction
    from zeta_context.session import Session
    from zeta_context.settings import Settings
    from zeta_context.text.edit import TextEdit
    from zeta_context.text.point import Point, Span

_HOMES = {
    "Counts": "zeta_context.counts",
    "Discarded": "zeta_context.predict.prediction",
    "Jump": "zeta_context.predict.prediction",
    "Outcome": "zeta_context.predict.prediction",
    "Point": "zeta_context.text.point",
    "Prediction": "zeta_context.predict.prediction",
    "Session": "zeta_context.session",
    "Settings": "zeta_context.settings",
    "Span": "zeta_context.text.point",
    "TextEdit": "zeta_context.text.edit",
    "ZetaError": "zeta_context.errors",
}

__all__ = [
    "Counts",
    "Discarded",
    "Jump",
    "Outcome",
    "Point",
    "Prediction",
    "Session",
    "Settings",
    "Span",
    "TextEdit",
    "ZetaError",
    "__version__",
]


def __getattr__(name: str) -> object:
    try:
        home = _HOMES[name]
    except KeyError:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}") from None
    from importlib import import_module

    value: object = getattr(import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(set(globals()) | set(__all__))
