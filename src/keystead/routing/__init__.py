"""Routing: from the model a caller named to the one credential that serves it. Pure; owns no table yet."""
