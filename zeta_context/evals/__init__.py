"""Telling whether predictions are any good: replays, scores, reports."""
