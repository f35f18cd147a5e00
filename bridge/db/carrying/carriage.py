"""Carries every row of every table from one end to the other, all or nothing, and looks at what came."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import aclosing

from bridge.db.carrying.ends import End
from bridge.db.carrying.tables import Rows, Sum, Table

Sums = dict[str, Sum]


class NotCarried(Exception):
    """Why nothing was written."""


async def carry(source: End, target: End, tables: Sequence[Table]) -> Sums:
    """Write everything into a database whose tables are empty; gives the sums. Raises NotCarried."""
    for table in tables:
        async with aclosing(target.pages(table)) as pages:
            async for _ in pages:
                raise NotCarried(f"the other database is not empty: there are rows in {table.name}")
    await target.begin()
    sums: Sums = {}
    for table in tables:
        sums[table.name] = await _carried(source, target, table)
    for table in tables:
        if (came := await sum_of(target, table)) != sums[table.name]:
            raise NotCarried(f"{table.name}: {came.rows} rows came of {sums[table.name].rows}, or they are others")
    await target.go_on(tables, await source.numbers(tables))
    await target.commit()
    return sums


async def _carried(source: End, target: End, table: Table) -> Sum:
    total = Sum()
    async with aclosing(source.pages(table)) as pages:
        async for rows in pages:
            _judge(table, rows)
            await target.put(table, rows)
            total = total.with_rows(rows)
    return total


async def sum_of(end: End, table: Table) -> Sum:
    """The sum of what a table holds."""
    total = Sum()
    async for rows in end.pages(table):
        total = total.with_rows(rows)
    return total


def _judge(table: Table, rows: Rows) -> None:
    """SQLite keeps whatever it is given; what the other engine would not take is found before."""
    for row in rows:
        for column, kind, value in zip(table.columns, table.kinds, row, strict=True):
            if value is not None and not isinstance(value, kind):
                raise NotCarried(f"{table.name}.{column}: a row holds {type(value).__name__} for {kind.__name__}")
            if isinstance(value, str) and "\x00" in value:
                raise NotCarried(f"{table.name}.{column}: a text holds a NUL, which PostgreSQL does not keep")
