"""Provider keys at rest: sealed, versioned, write-only, and opened at one door.

Reading order: `envelope` (what a stored key looks like), `kek` and `keyring` (what it is sealed under),
`lifecycle` and `recognise` (pure rules), `credentials` (the tables), `lease` (the one door to plaintext).
"""
