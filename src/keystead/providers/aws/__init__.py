"""Access to Amazon Web Services: what proves a caller there."""
