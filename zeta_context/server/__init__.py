"""Front ends: how editors reach a session over the protocols they already speak."""
