"""Who is called and how: the provider table, the request, the network, and what a refusal means.

Pure: `table` (data), `request` (bytes to send), `egress` (where they may go), `redact`, `headers`, `classify`.
I/O: `transport` (aiohttp), `connect` (its sockets), `sandbox` (in process), `probe`.

Invariants:
    1. A caller never chooses the destination: the origin comes from the credential, the path from a template.
    2. The address a socket connects to is the address that was checked (no second look-up in between).
    3. No redirect is followed, no cookie kept, no proxy taken from the environment.
    4. What goes out and what comes back are allow-lists of headers; the key itself never comes back.

This room owns no tables.
"""
