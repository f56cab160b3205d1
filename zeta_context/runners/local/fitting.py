"""Whether a model was made for a prompt format, told from its tokens before it is ever asked.

Knows nothing of weights: a model whose tokenizer splits a format's markers was not trained on it.
"""

from __future__ import annotations

from collections.abc import Iterable

from zeta_context.errors import ModelRefused
from zeta_context.prompt.format import Format
from zeta_context.runners.local.tokenizer import ModelTokenizer


def why_unfit(tokenizer: ModelTokenizer, one: Format) -> str:
    """Why a model cannot answer in a format, for people; empty when nothing speaks against it."""
    for marker in one.single_tokens:
        ids = tokenizer.encode_marker(marker)
        if len(ids) == 1 and tokenizer.decode(ids) == marker:
            continue
        if len(ids) == 1:
            return (
                f"it does not know the marker {marker!r} of {one.name} "
                "and would read an unknown token in its place"
            )
        return (
            f"it reads the marker {marker!r} of {one.name} as {len(ids)} tokens, not as one: "
            "it was not trained on this format"
        )
    return ""


def check_fit(
    name: str,
    tokenizer: ModelTokenizer,
    one: Format,
    known: Iterable[Format],
    *,
    trained_on: str = "",
) -> None:
    """Raise ModelRefused with the reason, and with the formats that the model does know.

    What it says that it was `trained_on` fits whatever its tokens are.
    """
    if trained_on == one.name:
        return
    problem = why_unfit(tokenizer, one)
    if not problem:
        return
    fitting = [other.name for other in known if not why_unfit(tokenizer, other)]
    advice = f"; formats that fit: {', '.join(fitting)}" if fitting else ""
    raise ModelRefused(f"{name} cannot be used with {one.name}: {problem}{advice}")
