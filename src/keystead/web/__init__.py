"""HTTP in and out: the only floor that knows the web framework.

`edge` guards the socket, `inference` is the data plane in the callers' own dialects, `admin` the management API,
`operations` the health and metrics of the process.
"""
