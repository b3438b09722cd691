"""The admin API, under `/admin/v1`: keys, credentials, records, costs, prices, people, health.

One table, `routes.ROUTES`, says for every route its method, path, permission, request and answer types and handler.
The running router, the OpenAPI document, the reference page and the authorisation matrix in the tests are made from
that table, so none of them can say something else. A handler has one caller, `endpoint.Endpoint`, and that calls it
only for a signed-in administrator whose role holds the route's permission.

One file per resource; no route returns a provider's key.
"""
