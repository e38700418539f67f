"""What tells that stored files are as they were written: checksums, manifests, versions."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa

from .version import VERSION

CHECKSUM: Final = "checksum"  # the key of a manifest that holds its own


def versions() -> dict[str, str]:
    """Versions on which the bytes of a file depend."""
    return {"gpustress": VERSION, "numpy": np.__version__, "pyarrow": pa.__version__}


def file_checksum(file: Path) -> str:
    """32 hex digits of what a file holds."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, lambda: hashlib.blake2b(digest_size=16)).hexdigest()


def content_checksum(manifest: Mapping[str, Any]) -> str:
    """32 hex digits of everything in a manifest but the checksum itself."""
    rest = {key: value for key, value in manifest.items() if key != CHECKSUM}
    return hashlib.blake2b(json.dumps(rest, sort_keys=True).encode(), digest_size=16).hexdigest()


def signed_json(manifest: Mapping[str, Any]) -> str:
    """A manifest as text, with its checksum."""
    signed = {**manifest, CHECKSUM: content_checksum(manifest)}
    return json.dumps(signed, indent=1, sort_keys=True) + "\n"


def read_json(file: Path) -> Any:
    """What a JSON file holds; None where there is none, or it is no JSON.

    A device or a pipe is no file: it may have no end.
    """
    try:
        return json.loads(file.read_bytes()) if file.is_file() else None
    except (FileNotFoundError, ValueError, RecursionError):
        return None


def leads_out(name: str) -> bool:
    """Whether a file that a manifest names lies outside of the manifest's folder."""
    return Path(name).is_absolute() or ".." in Path(name).parts


def files_below(folder: Path) -> set[str]:
    """Every file below a folder, as a manifest names it; links are files too."""
    return {
        (Path(base) / name).relative_to(folder).as_posix()
        for base, folders, names in os.walk(folder, onerror=_refuse)
        for name in [*names, *(link for link in folders if (Path(base) / link).is_symlink())]
    }


def _refuse(error: OSError) -> None:
    """Let no folder that can't be read pass for an empty one."""
    if not isinstance(error, FileNotFoundError):
        raise error
