"""Scores of predictions, pure functions of texts and counts; docs/metrics.md explains each one."""
