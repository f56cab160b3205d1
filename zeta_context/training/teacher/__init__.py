"""The teacher: says what should follow from a starting state, so that no user's text has to."""
