"""Examples on their way from the editor to the collection server, only as far as allowed."""
