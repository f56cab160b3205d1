"""Files of records: Parquet in folders by day, schema and project, on disk or in object storage.

A file is written once and never changed. Knows nothing of which files count (see `index`).
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import time
import uuid
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zeta_context.errors import IngestError
from zeta_context.ingest.index import Shard
from zeta_context.ingest.received import Received, Withdrawal

if TYPE_CHECKING:
    import pyarrow as pa

N_BUCKETS = 16
"""Into how many folders the projects of one day are divided: a deletion reads one of them."""

_NUMBERS = {"at": "float64", "received_at": "float64", "schema": "int32", "body": "binary"}


class Shards:
    """The files below one place: a folder, or `s3://bucket/prefix`."""

    def __init__(self, url: str, **options: Any) -> None:
        """`options` are obstore's for the kind of store (endpoint, credentials, region ...).

        Raises IngestError for a place that cannot be used.
        """
        from obstore.exceptions import BaseError
        from obstore.store import LocalStore, from_url

        self.url = url
        try:
            if "://" in url:
                self._store: Any = from_url(url, **options)
            else:
                Path(url).mkdir(mode=0o700, parents=True, exist_ok=True)
                self._store = LocalStore(prefix=str(Path(url).absolute()))
        except (BaseError, OSError, ValueError) as problem:
            raise IngestError(f"the store cannot be used ({type(problem).__name__})") from None

    def write(self, records: Iterable[Received]) -> list[Shard]:
        """Write records to new files, one for each folder that they belong to; durable then."""
        by_folder: defaultdict[str, list[Received]] = defaultdict(list)
        for record in records:
            by_folder[folder_of(record)].append(record)
        return [
            self._write(folder, _to_table(members)) for folder, members in sorted(by_folder.items())
        ]

    def merge(self, shards: Sequence[Shard]) -> Shard:
        """Write the records of several files of one folder to one new file."""
        import pyarrow as pa

        return self._write(
            shards[0].folder, pa.concat_tables([self._read(shard) for shard in shards])
        )

    def write_without(self, shard: Shard, withdrawal: Withdrawal) -> tuple[list[str], Shard | None]:
        """The identifiers of a file's records that a withdrawal covers, and a new file of the rest.

        None for a file where there are none, or where nothing is left.
        """
        import pyarrow.compute as pc

        table = self._read(shard)
        covered = pc.and_(
            pc.and_(
                pc.equal(table["tenant"], withdrawal.tenant),
                pc.equal(table["installation"], withdrawal.installation),
            ),
            pc.and_(
                pc.equal(table["project"], withdrawal.project),
                pc.or_(
                    pc.equal(table["consent"], withdrawal.consent),
                    pc.equal(table["settled_consent"], withdrawal.consent),
                ),
            ),
        )
        ids: list[str] = table.filter(covered)["id"].to_pylist()
        if not ids or len(ids) == len(table):
            return ids, None
        return ids, self._write(shard.folder, table.filter(pc.invert(covered)))

    def read(self, shard: Shard) -> list[Received]:
        """The records of a file; raises IngestError when it is not what was written."""
        names = [field.name for field in fields(Received)]
        return [
            Received(**{name: row[name] for name in names}) for row in self._read(shard).to_pylist()
        ]

    def read_columns(self, shards: Iterable[Shard], names: Sequence[str]) -> pa.Table:
        """Some columns of several files."""
        import pyarrow as pa

        return pa.concat_tables([self._read(shard).select(list(names)) for shard in shards])

    def remove(self, paths: Iterable[str]) -> None:
        """Delete files; one that is gone already is fine."""
        from obstore.exceptions import NotFoundError

        for path in paths:
            with contextlib.suppress(NotFoundError, FileNotFoundError):
                self._store.delete(path)

    def sweep(self, keep: Iterable[Shard], *, older_than_s: float) -> int:
        """Delete files that nothing knows of: a server ended between a file and its entry."""
        known = {shard.path for shard in keep}
        limit = time.time() - older_than_s
        orphans = [
            meta["path"]
            for batch in self._store.list()
            for meta in batch
            if meta["path"].endswith(".parquet")
            and meta["path"] not in known
            and meta["last_modified"].timestamp() < limit
        ]
        for path in orphans:
            self._store.delete(path)
        return len(orphans)

    def _write(self, folder: str, table: pa.Table) -> Shard:
        import pyarrow.parquet as pq

        buffer = io.BytesIO()
        # Bodies are compressed already.
        compression = dict.fromkeys(table.column_names, "zstd") | {"body": "none"}
        pq.write_table(table, buffer, compression=compression)
        data = buffer.getvalue()
        path = f"{folder}/{uuid.uuid4().hex}.parquet"
        self._put(path, data)
        digest = hashlib.sha256(data).hexdigest()
        return Shard(path=path, folder=folder, n_rows=len(table), size=len(data), sha256=digest)

    def _read(self, shard: Shard) -> pa.Table:
        import pyarrow.parquet as pq
        from obstore.exceptions import BaseError

        try:
            data = bytes(self._store.get(shard.path).bytes())
        except (BaseError, OSError):
            raise IngestError(f"{shard.path} cannot be read") from None
        if hashlib.sha256(data).hexdigest() != shard.sha256:
            raise IngestError(f"{shard.path} is not what was written: restore it")
        return pq.read_table(io.BytesIO(data), partitioning=None)

    def _put(self, path: str, data: bytes) -> None:
        from obstore.exceptions import BaseError

        try:
            self._store.put(path, data)
        except (BaseError, OSError) as problem:
            raise IngestError(f"a file cannot be written ({type(problem).__name__})") from None
        if "://" not in self.url:
            _sync(Path(self.url) / path)


def folder_of(record: Received) -> str:
    """The folder of a record: day of receipt, schema, and a number for its project."""
    day = time.strftime("%Y-%m-%d", time.gmtime(record.received_at))
    return f"dt={day}/schema={record.schema}/{bucket_of(record.tenant, record.project)}"


def bucket_of(tenant: str, project: str) -> str:
    """The last part of a record's folder."""
    digest = hashlib.sha256(f"{tenant}\0{project}".encode()).digest()
    return f"shard={digest[0] % N_BUCKETS:02d}"


def _to_table(records: list[Received]) -> pa.Table:
    import pyarrow as pa

    names = [field.name for field in fields(Received)]
    return pa.table(
        {
            name: pa.array(
                [getattr(record, name) for record in records],
                type=getattr(pa, _NUMBERS.get(name, "string"))(),
            )
            for name in names
        }
    )


def _sync(path: Path) -> None:
    """Make a file and its folders durable."""
    import os

    for each in (path, path.parent, path.parent.parent, path.parent.parent.parent):
        handle = os.open(each, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
