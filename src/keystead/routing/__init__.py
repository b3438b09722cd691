"""Routing: which credential serves a model, what is tried in which order, and what follows a failure.

Pure but for `store`, which owns the table of routes.
"""
