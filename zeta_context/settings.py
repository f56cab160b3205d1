"""Composes the settings of the packages below; each owns its own.

Read from the user's own configuration only; a repository can only narrow (see docs/privacy).
"""
