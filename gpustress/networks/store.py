"""What is found out about a network, as a folder of Parquet files and a manifest, which appears whole or not at all."""

from __future__ import annotations

import hashlib
import json
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from ..errors import bad_argument
from ..folders import check_writable, target_of, whole_folder
from ..version import VERSION

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

FORMAT: Final = "gpustress network result"
FORMAT_VERSION: Final = 1
MANIFEST: Final = "network.json"
ROW_GROUP: Final = 1 << 18  # rows: the same bytes, however many shocks are done at a time


def check_target(folder: str, argument: str = "folder") -> None:
    """Check that a result may be written there.

    Raises
    ------
    InputError
        It can't be written, or it is a folder that holds something that no result of a network owns: nothing of
        somebody else's is deleted.
    """
    target = target_of(folder, argument)
    check_writable(target, argument)
    if not target.exists():
        return
    strange = sorted(_files(target) - _owned(target))
    if strange:
        message = f"holds a file that is not of a network's result: `{strange[0]}`"
        remedy = "Name a folder that does not exist yet; only a stored result is replaced."
        raise bad_argument(argument, folder, message, remedy)


@contextmanager
def network_result(folder: str, facts: Mapping[str, Any]) -> Iterator[NetworkResultWriter]:
    """Give a writer for tables that come piece by piece; the folder appears at the end, the manifest written last.

    Parameters
    ----------
    folder : path
    facts : mapping
        For the manifest: what was asked. The same facts and pieces give the same bytes.
    """
    check_target(folder)
    with whole_folder(folder, lambda entry: True) as aside:
        writer = NetworkResultWriter(aside)
        try:
            yield writer
        finally:
            writer.close()
        files = {name: _checksum(aside / name) for name in sorted(_files(aside))}
        manifest = {
            "format": FORMAT,
            "format_version": FORMAT_VERSION,
            "version": VERSION,
            **facts,
            "files": files,
        }
        (aside / MANIFEST).write_text(
            json.dumps(manifest, indent=1, allow_nan=False) + "\n", encoding="utf-8"
        )


class NetworkResultWriter:
    """Writes tables into a folder, each to a file of its own, in row groups of one size."""

    def __init__(self, folder: Path):
        self.folder = folder
        self._files: dict[str, pq.ParquetWriter] = {}
        self._waiting: dict[str, pa.Table] = {}

    def add(self, name: str, table: pa.Table) -> None:
        """Add rows to a table."""
        if name not in self._files:
            self._files[name] = pq.ParquetWriter(
                self.folder / f"{name}.parquet", table.schema, compression="zstd"
            )
            self._waiting[name] = table.slice(0, 0)
        waiting = pa.concat_tables([self._waiting[name], table])
        while waiting.num_rows >= ROW_GROUP:
            self._files[name].write_table(
                waiting.slice(0, ROW_GROUP).combine_chunks(), row_group_size=ROW_GROUP
            )
            waiting = waiting.slice(ROW_GROUP)
        self._waiting[name] = waiting

    def close(self) -> None:
        """Write what waits, and close the files."""
        for name, file in self._files.items():
            if self._waiting[name].num_rows:
                file.write_table(self._waiting[name].combine_chunks(), row_group_size=ROW_GROUP)
            file.close()
        self._files.clear()


def _owned(folder: Path) -> set[str]:
    """The files that the manifest of a folder lists, and itself; none where there is no manifest of ours."""
    try:
        manifest = json.loads((folder / MANIFEST).read_bytes())
    except (OSError, ValueError, RecursionError):
        return set()
    files = manifest.get("files") if isinstance(manifest, dict) else None
    if not isinstance(files, dict) or manifest.get("format") != FORMAT:
        return set()
    return {MANIFEST, *files}


def _files(folder: Path) -> set[str]:
    """Every file below a folder; links are files too."""
    return {
        os.path.relpath(os.path.join(base, name), folder).replace(os.sep, "/")
        for base, folders, names in os.walk(folder)
        for name in [*names, *(link for link in folders if os.path.islink(os.path.join(base, link)))]
    }


def _checksum(file: Path) -> str:
    hasher = hashlib.blake2b(digest_size=16)
    with file.open("rb") as content:
        while block := content.read(1 << 20):
            hasher.update(block)
    return hasher.hexdigest()
