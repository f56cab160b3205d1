"""The embedded default: predicts without a model by repeating what the user has just done."""

from zeta_context.predict.proposers.repeat.proposer import RepeatProposer, RepeatSettings

__all__ = ["RepeatProposer", "RepeatSettings"]
