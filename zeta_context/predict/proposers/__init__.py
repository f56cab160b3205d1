"""What can propose a next edit; each looks at the same view."""
