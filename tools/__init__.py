"""What makes the fixtures; no part of the installed package."""
