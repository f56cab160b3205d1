"""What the user just did: events, their history, recorded sessions."""
