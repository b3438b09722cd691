"""Alembic revisions, one file each, expand and contract only: version N runs on the schema of N and of N+1."""

from typing import Final

HEAD: Final = "0021"
"""The newest revision. Named here so that a start on an up-to-date database need not load Alembic."""
