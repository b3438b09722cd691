"""Credits: what the platform is owed for work on its own credentials, in double entry."""
