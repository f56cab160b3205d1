"""One module for each published prompt format."""
