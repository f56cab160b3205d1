"""From a candidate model to everybody's: assignment, stages, statistics, shadow runs."""
