"""The rows of one table on one node, to be laid beside the other node's: hashed there, in ranges, buckets and by key.

A range is one of the key's order where both nodes have the same one, and the whole table where they have none. What
is hashed is the row's image: the bytes in which servers send its values where both send the same, what the other
values print, and NULL told from both. The hash is the server's own, of 64 bits; a range's digest is the sum of its
rows' and their number.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from psycopg import sql as pgsql

from replicator.postgres.verify.reader import Reader, composed, listed, server_sql
from replicator.postgres.verify.subscribed import Column, Subscribed
from replicator.settling import Sight

Key = tuple[str, ...]

_ALL = pgsql.SQL("true").format()
_TEXT = pgsql.SQL("{}::text")


@dataclass(frozen=True, slots=True)
class Range:
    """Keys in an order, as they print.

    Attributes:
        above: the last key before it, None at the beginning.
        upto: its last key, None at the end.
    """

    above: Key | None = None
    upto: Key | None = None


@dataclass(frozen=True, slots=True)
class Digest:
    """Rows, as a server has hashed them.

    Attributes:
        copies: how many.
        hashes: the sum of their hashes.
    """

    copies: int
    hashes: str


class Rows:
    """The rows of a table on one node.

    Args:
        reader: the node.
        table: what is compared of it.
        publisher: whether the node is the publisher.
    """

    def __init__(self, reader: Reader, table: Subscribed, *, publisher: bool) -> None:
        self._reader = reader
        self._table = table
        self._publisher = publisher
        partitioned = table.partitioned[0 if publisher else 1]
        name = pgsql.Identifier(table.schema, table.name)
        self._from = name if partitioned else pgsql.SQL("only {}").format(name)
        applies = publisher or table.filtered_there
        self._filter = pgsql.SQL("({})").format(server_sql(table.row_filter)) if applies else _ALL
        self._key = listed([pgsql.Identifier(column.name) for column in table.key or table.columns])
        texts = [_TEXT.format(pgsql.Identifier(column.name)) for column in table.key]
        self._texts = listed(texts or [_TEXT.format(self._hash_of_key())])
        self._image = {
            "plain": listed([pgsql.Identifier(column.name) for column in table.columns if column.plain]),
            "printed": listed([pgsql.Identifier(column.name) for column in table.columns if not column.plain]),
        }

    def bound(self, above: Key | None, rows: int) -> Key | None:
        """Return the key that ends a range of so many rows, None where no more than those are left."""
        found = self._reader.read(
            composed(
                "verify/key_bound",
                texts=self._texts,
                key=self._key,
                table=self._from,
                within=self._in_order(Range(above)),
                rows=pgsql.Literal(rows - 1),
            )
        )
        return tuple(found[0][0]) if found else None

    def digest(self, within: Range) -> tuple[Digest, int]:
        """Return a range's digest, and how many bytes were hashed."""
        statement = composed("verify/range_digest", table=self._from, within=self._within(within), **self._image)
        ((copies, hashes, size),) = self._reader.read(statement)
        return Digest(copies, hashes), size

    def buckets(self, within: Range, mask: int) -> tuple[dict[int, Digest], int]:
        """Return the digests of a range's rows by a hash of their key, and how many bytes were hashed."""
        statement = composed(
            "verify/range_buckets",
            key=self._key,
            mask=pgsql.Literal(mask),
            table=self._from,
            within=self._within(within),
            **self._image,
        )
        rows = self._reader.read(statement)
        return {bucket: Digest(copies, hashes) for bucket, copies, hashes, _ in rows}, sum(row[3] for row in rows)

    def hashes(self, within: Range, mask: int, buckets: Iterable[int]) -> dict[Key, tuple[int, ...]]:
        """Return the hashes of the rows of some buckets by key, which more than one row may have."""
        statement = composed(
            "verify/bucket_rows",
            texts=self._texts,
            key=self._key,
            mask=pgsql.Literal(mask),
            buckets=pgsql.Literal(list(buckets)),
            table=self._from,
            within=self._within(within),
            **self._image,
        )
        found: dict[Key, list[int]] = defaultdict(list)
        for key, row_hash in self._reader.read(statement):
            found[tuple(key)].append(row_hash)
        return {key: tuple(sorted(hashes)) for key, hashes in found.items()}

    def sights(self, keys: Sequence[Key]) -> dict[Key, Sight]:
        """Return the rows that have these keys: which versions they are, and a hash of each column."""
        return {
            key: Sight(
                version=tuple(sorted(version for version, _, _ in rows)),
                content=tuple(sorted(values for _, _, values in rows)),
                touched=any(touched for _, touched, _ in rows),
            )
            for key, rows in self._by_key(keys, "bigint", self._hash_of).items()
        }

    def values(self, keys: Sequence[Key]) -> dict[Key, list[tuple[str | None, ...]]]:
        """Return what the columns of the rows with these keys print."""
        found = self._by_key(keys, "text", lambda column: _TEXT.format(pgsql.Identifier(column.name)))
        return {key: [values for *_, values in rows] for key, rows in found.items()}

    def _by_key(
        self, keys: Sequence[Key], kind: str, form: Callable[[Column], pgsql.Composable]
    ) -> Mapping[Key, list[tuple[str, bool, tuple[Any, ...]]]]:
        arrays = [pgsql.SQL("{}::text[]").format(pgsql.Literal(list(texts))) for texts in zip(*keys, strict=True)]
        names = [pgsql.Identifier(f"k{place}") for place in range(len(arrays))]
        statement = composed(
            "verify/rows_by_key",
            keys=listed(arrays),
            names=listed(names),
            values=listed([form(column) for column in self._table.columns]),
            type=server_sql(kind),
            table=self._from,
            # On the subscriber a row is looked for wherever its damage has put it.
            row_filter=self._filter if self._publisher else _ALL,
            matches=self._matches(names),
        )
        found: dict[Key, list[tuple[str, bool, tuple[Any, ...]]]] = defaultdict(list)
        for number, version, touched, values in self._reader.read(statement):
            found[keys[number - 1]].append((version, touched, tuple(values)))
        return found

    def _matches(self, names: Sequence[pgsql.Identifier]) -> pgsql.Composed:
        if not self._table.key:
            return pgsql.SQL("{} = asked.{}::bigint").format(self._hash_of_key(), *names)
        return pgsql.SQL(" and ").join(
            pgsql.SQL("{} = asked.{}::{}").format(
                pgsql.Identifier(column.name), name, server_sql(column.types[0 if self._publisher else 1])
            )
            for column, name in zip(self._table.key, names, strict=True)
        )

    def _hash_of_key(self) -> pgsql.Composed:
        return pgsql.SQL("hashbyteaextended(textsend(row({})::text), 0)").format(self._key)

    def _hash_of(self, column: Column) -> pgsql.Composed:
        image = "record_send(row({}))" if column.plain else "textsend(row({})::text)"
        image_of = server_sql(image).format(pgsql.Identifier(column.name))
        return pgsql.SQL("hashbyteaextended({}, 0)").format(image_of)

    def _within(self, within: Range) -> pgsql.Composed:
        return pgsql.SQL("{} and {}").format(self._filter, self._in_order(within))

    def _in_order(self, within: Range) -> pgsql.Composed:
        bounds = [
            pgsql.SQL("({}) {} ({})").format(self._key, sign, listed([pgsql.Literal(text) for text in key]))
            for sign, key in ((pgsql.SQL(">"), within.above), (pgsql.SQL("<="), within.upto))
            if key is not None
        ]
        return pgsql.SQL(" and ").join(bounds or [_ALL])
