"""Making a better model: examples from sessions and commits, a teacher, a student, the loop."""
