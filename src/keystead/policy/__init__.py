"""Policy: who may use what, for how sensitive a request, and with whose consent.

Decisions are pure (`access`, `classes`, `conditions`, `consents`, `recognize`); `store` keeps the rules.
"""
