"""The project's git state."""
