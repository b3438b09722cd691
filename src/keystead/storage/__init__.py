"""One schema, two engines: SQLite (WAL) and PostgreSQL.

`schema` names every table once; rooms read and write their own tables through SQLAlchemy Core on a connection
that `Database` lends. The hot path does neither: it hands records to the `Journal`, which writes whatever waits
as one transaction, off the event loop, and answers when they are durable.
"""
