"""May this be kept, and may it leave: exclusions, secrets, licences and the gate.

Knows nothing of how context is gathered or of what is sent where.
"""
