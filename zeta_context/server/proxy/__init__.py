"""A proxy in front of any language server: a small pump that relays bytes, a worker that predicts.

Imports nothing: the pump must stay light.
"""
