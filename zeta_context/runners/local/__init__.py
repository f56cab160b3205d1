"""Models in this process: loading, engines, speculation, caches.

Only here may torch and transformers be imported, and only when a model is loaded.
"""
