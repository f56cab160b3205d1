"""What surrounds the cursor: excerpts, syntax, definitions."""
