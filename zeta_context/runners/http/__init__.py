"""Models behind an HTTP server, on this machine or, once the user has allowed it, on another.

Only `exchange` imports httpx, and only when a request is made.
"""
