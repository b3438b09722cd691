"""The columns that every table is made of. Instants are Unix microseconds; amounts are pico units (10⁻¹²)."""

from sqlalchemy import BigInteger, Column, MetaData, String, Text

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def identifier(name: str = "id", *, primary_key: bool = True) -> Column[str]:
    """Return the column of a row's own id."""
    return Column(name, String(64), primary_key=primary_key)


def reference(name: str, *, nullable: bool = False) -> Column[str]:
    """Return the column of another row's id."""
    return Column(name, String(64), nullable=nullable)


def instant(name: str, *, nullable: bool = False) -> Column[int]:
    """Return a column of an instant, a duration, an amount or another 63-bit number."""
    return Column(name, BigInteger, nullable=nullable)


def text(name: str, *, nullable: bool = False) -> Column[str]:
    """Return a column of text."""
    return Column(name, Text, nullable=nullable)
