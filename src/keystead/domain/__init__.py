"""Values that every room may import. This package imports nothing of ours and does no I/O."""
