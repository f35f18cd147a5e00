"""PostgreSQL, asked as seldom as can be: connections, transactions, many statements in one round trip."""

from bridge.db.postgres.engine import Postgres

__all__ = ["Postgres"]
