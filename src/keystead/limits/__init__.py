"""Limits: what may be spent in a period, and how fast.

`periods`, `scopes` and `holds` decide, and are pure: which budgets concern a request, what is held for it, what is
posted when it has ended. Whether a hold fits is decided where it is written down: by the journal, in the transaction
of the intent, so it is exact on any number of workers. `rates` counts requests, tokens and streams; that is never
money, so it may live in memory or in Redis. `store` keeps the rules themselves.
"""
