"""The data plane: one request is one short trip through small rooms.

1 `web.inference` limits, request id, dialect from the path → 2 `snapshot` virtual key → 3 `plan` the credential
that serves → 4 intent made durable → 5 `flight`: lease, provider, bytes → 6 `metering` watches the bytes pass →
7 settlement, one durable write.

Nothing here reads the database on the way: keys, credentials and prices come from the `snapshot`. This is the
only floor, besides `web.admin`, that combines the rooms below it.
"""
