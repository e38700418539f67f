"""Results on disk: a folder of Parquet files and a manifest, which appears whole or not at all."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from .checksums import (
    CHECKSUM,
    content_checksum,
    file_checksum,
    files_below,
    leads_out,
    read_json,
    signed_json,
    versions,
)
from .compilation import compile_program
from .drawing import MIXTURE
from .errors import InputError, Problem, bad_argument, shown
from .estimates import FIGURES, ScenarioRun
from .files import read_parquet
from .folders import check_writable, consistent, folder_at, target_of, whole_folder
from .path_tables import ROW_GROUP, PathTable
from .result import MeasureResult, Result
from .result_schema import RESULT_SCHEMA_VERSION, RESULT_SCHEMAS, STORED, SUMMARIES
from .schema import CAUSES
from .system import read_system
from .variance_reduction import ImportanceSampling, from_data

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .variance_reduction import VarianceReduction

FORMAT: Final = "gpustress result"
# Of the folder's layout; rises when an older reader would misread it. The second tells of variance reduction, and is
# written where there is some.
FORMAT_VERSIONS: Final = (1, 2)
MANIFEST: Final = "run.json"
SYSTEM: Final = "system"
REDUCTION: Final = "variance_reduction"
WEIGHTS: Final = "weights"
REPORT: Final = "report.html"  # made beside a result, and out of date with it
_KEYS: Final = {  # of the manifest, and what they hold
    "versions": dict, "seed": int, "paths": int, "backend": str, "digest": str, "factors_digest": str,
    "runs": list, "measures": list, "series": list, "exact_finishes": list, "files": dict,
}  # fmt: skip
_NEEDED: Final = {
    f"{SYSTEM}/system.toml",
    *(f"{name}.parquet" for name in ("entities", "measures", "scenarios", "series")),
}
_AGAIN: Final = "Run it again, or restore the folder from where it was written."


def write_result(run: Result, folder: str | os.PathLike[str]) -> None:
    """Store a result as a folder.

    Parameters
    ----------
    run : Result
    folder : path
        Made, with its parents, where it does not exist. A folder that holds a result and nothing else is
        replaced.

    Raises
    ------
    InputError
        The folder holds something else; see `check_target`.

    Notes
    -----
    The manifest is written last, and the folder appears whole or not at all. The files hold no time and no
    path: the same run gives the same bytes.
    """
    with whole_folder(check_target(folder), lambda entry: True) as aside:
        _write_files(run, aside)


def check_target(folder: str | os.PathLike[str], argument: str = "folder") -> Path:
    """The absolute path of a folder into which a result may be written; `argument` is its name in errors.

    Raises
    ------
    InputError
        It can't be written, see `target_of`; or it is a folder that holds something that a result does not
        own: nothing of somebody else's is deleted.
    """
    target = target_of(folder, argument)
    check_writable(target, argument)
    try:
        found = files_below(target)
        manifest = read_json(target / MANIFEST) if found else None
    except OSError as error:
        raise bad_argument(argument, str(folder), f"may not be read: {error.strerror}",
                           "Make it readable, or name another folder.") from error  # fmt: skip
    if not found:
        return target
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise _fault(target.name, "is a folder that holds something, but no result",
                     "Name a folder that does not exist yet; only a stored result is replaced.")  # fmt: skip
    files = manifest.get("files")
    owned = {MANIFEST, REPORT, *(files if isinstance(files, dict) else ())}
    strange = sorted(found - owned)
    if strange:
        raise _fault(target.name, f"holds a file that is not the result's: {shown(strange[0])}",
                     "Move it away, or name another folder; it would be deleted.")  # fmt: skip
    return target


def read_result(folder: str | os.PathLike[str]) -> Result:
    """Read a stored result, and check that it is what was written.

    Parameters
    ----------
    folder : path

    Returns
    -------
    Result

    Raises
    ------
    InputError
        There is no result; it is of a later format; a file is missing or its checksum is another; or the
        program that this version of gpustress makes of the stored system is not the one that was run, though
        the versions are the same.
    """
    place = folder_at(folder, "Name a folder that a run was written to.")
    with consistent(place, MANIFEST, _AGAIN):
        return _read_result(place, _read_manifest(place))


def _read_result(place: Path, manifest: Mapping[str, Any]) -> Result:
    for name, checksum in manifest["files"].items():
        file = place / name
        if not os.path.isfile(file):
            raise _fault(name, "is missing", _AGAIN)
        if file_checksum(file) != checksum:
            raise _fault(name, "is not as it was written: its checksum differs", _AGAIN)
    system = read_system(place / SYSTEM)
    scenarios = read_parquet(place / "scenarios.parquet")
    coordinates = place / "coordinates.parquet"
    runs = tuple(ScenarioRun(**run) for run in manifest["runs"])
    if manifest["versions"]["gpustress"] == versions()["gpustress"]:
        digest = compile_program(system, scenarios, _effects(runs, scenarios)).digest
        if digest != manifest["digest"]:
            raise _fault(MANIFEST, "the digest is not that of the stored system under its scenarios", _AGAIN,
                         "digest", manifest["digest"])  # fmt: skip
    shape = (len(runs), manifest["paths"])
    entities = (*shape, len(system.entity_names))
    by_entity = _read_arrays(
        place, "entities", entities,
        {"failed_at": np.int16, "cause": np.int8, "lowest_liquidity": np.float64, "final_cash": np.float64},
    )  # fmt: skip
    names = manifest["measures"]
    figures = {figure: np.int16 if figure == "payback" else np.float64 for figure in FIGURES}
    by_measure = _read_arrays(place, "measures", (len(names), *shape), figures)
    values = _read_arrays(
        place, "series", (len(manifest["series"]), *shape, system.settings.periods), {"value": np.float64}
    )["value"]
    reduction = _read_reduction(manifest, system.entity_names)
    weights = None
    if isinstance(reduction, ImportanceSampling):
        weights = _read_arrays(place, WEIGHTS, shape, {"weight": np.float64})["weight"]
        if not ((weights >= 0.0) & (weights <= MIXTURE)).all():
            raise _fault(f"{WEIGHTS}.parquet", f"holds what is no weight, 0 to {MIXTURE}", _AGAIN, "weight")
    return Result(
        system=system,
        scenario_table=scenarios,
        coordinates=read_parquet(coordinates) if coordinates.name in manifest["files"] else None,
        runs=runs,
        seed=manifest["seed"],
        paths=manifest["paths"],
        backend=manifest["backend"],
        digest=manifest["digest"],
        factors_digest=manifest["factors_digest"],
        measures={
            name: MeasureResult(**{figure: by_measure[figure][i] for figure in FIGURES})
            for i, name in enumerate(names)
        },
        series={name: values[i] for i, name in enumerate(manifest["series"])},
        exact_finishes=np.array(manifest["exact_finishes"], dtype=np.int64),
        **by_entity,
        variance_reduction=reduction,
        weights=weights,
    )


def _read_reduction(manifest: Mapping[str, Any], entities: Sequence[str]) -> VarianceReduction | None:
    """How the paths were drawn; an estimate without the weights that belong to them would be wrong."""
    reduction = from_data(manifest.get(REDUCTION))
    if reduction is not None:
        reduction.check_paths(manifest["paths"])
    weighted = isinstance(reduction, ImportanceSampling)
    if isinstance(reduction, ImportanceSampling) and reduction.failure not in entities:
        raise _fault(MANIFEST, "the failure is of no entity of the stored system", _AGAIN, REDUCTION,
                     shown(reduction.failure))  # fmt: skip
    if (f"{WEIGHTS}.parquet" in manifest["files"]) != weighted:
        raise _fault(MANIFEST, "the weights of the paths do not fit how they were drawn", _AGAIN, REDUCTION,
                     shown(manifest.get(REDUCTION)))  # fmt: skip
    return reduction


def _write_files(run: Result, folder: Path) -> None:
    """Every file of a result, the manifest last."""
    run.system.write(folder / SYSTEM, format="parquet")
    tables = {"scenarios": run.scenario_table, **{name: getattr(run, name)() for name in SUMMARIES}}
    if run.coordinates is not None:
        tables["coordinates"] = run.coordinates
    for name, table in tables.items():
        pq.write_table(
            table.replace_schema_metadata(None), folder / f"{name}.parquet", compression="zstd",
            row_group_size=ROW_GROUP,
        )  # fmt: skip
    for name in (*STORED, *([] if run.weights is None else [WEIGHTS])):
        with PathTable(folder / f"{name}.parquet", name) as table:
            table.add(run)
    reduction = run.variance_reduction
    manifest: dict[str, Any] = {
        "format": FORMAT,
        "format_version": FORMAT_VERSIONS[reduction is not None],
        "tables_version": RESULT_SCHEMA_VERSION,
        "versions": versions(),
        "seed": run.seed,
        "paths": run.paths,
        **({} if reduction is None else {REDUCTION: reduction.as_data()}),
        "backend": run.backend,
        "digest": run.digest,
        "factors_digest": run.factors_digest,
        "runs": [{"name": one.name, "scenario": one.scenario, "effects": one.effects} for one in run.runs],
        "measures": list(run.measures),
        "series": list(run.series),
        "exact_finishes": run.exact_finishes.tolist(),
        "files": {name: file_checksum(folder / name) for name in sorted(files_below(folder))},
    }
    (folder / MANIFEST).write_text(signed_json(manifest), encoding="utf-8")


def _effects(runs: Sequence[ScenarioRun], scenarios: pa.Table) -> list[str]:
    """The effects that were asked for: several ran for every scenario, one for those without their own."""
    first = [run.effects for run in runs if run.scenario == runs[0].scenario]
    if len(first) > 1:
        return first
    rows = zip(scenarios["scenario"].to_pylist(), scenarios["effects"].to_pylist(), strict=True)
    own = {scenario for scenario, effects in rows if effects is not None}
    return [next((run.effects for run in runs if run.scenario not in own), first[0])]


def _read_arrays(
    folder: Path, name: str, shape: tuple[int, ...], columns: Mapping[str, type[np.generic]]
) -> dict[str, NDArray[Any]]:
    """Columns of a file as arrays of the given shape, read a row group at a time."""
    with pq.ParquetFile(folder / f"{name}.parquet") as file:
        expected = RESULT_SCHEMAS[name].arrow()
        if not file.schema_arrow.equals(expected) or file.metadata.num_rows != math.prod(shape):
            raise _fault(
                f"{name}.parquet", "does not have the rows and columns that the manifest tells of", _AGAIN
            )
        arrays = {column: np.empty(shape, dtype) for column, dtype in columns.items()}
        start = 0
        for group in range(file.num_row_groups):
            table = file.read_row_group(group, columns=list(columns))
            for column, array in arrays.items():
                values = table[column].combine_chunks()
                if isinstance(values, pa.DictionaryArray):
                    values = _places(values)
                array.reshape(-1)[start : start + table.num_rows] = values.to_numpy(zero_copy_only=False)
            start += table.num_rows
    return arrays


def _places(values: pa.DictionaryArray) -> pa.Array:
    """The place of each cause in CAUSES, whatever dictionary the reader made."""
    places = np.array([CAUSES.index(cause) for cause in values.dictionary.to_pylist()], dtype=np.int8)
    return pa.array(places).take(values.indices)


def _read_manifest(folder: Path) -> dict[str, Any]:
    if not os.path.isfile(folder / MANIFEST):
        raise _fault(
            MANIFEST, f"is missing in {shown(str(folder))}", "Name a folder that a run was written to."
        )
    manifest = read_json(folder / MANIFEST)
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise _fault(MANIFEST, "is not the manifest of a result", _AGAIN)
    version = manifest.get("format_version")
    if version not in FORMAT_VERSIONS:
        raise _fault(MANIFEST, "this version of gpustress does not read this format",
                     f"Read it with the version that wrote it; this one reads format {FORMAT_VERSIONS[-1]}.",
                     "format_version", shown(version))  # fmt: skip
    if manifest.get(CHECKSUM) != content_checksum(manifest):
        raise _fault(MANIFEST, "is not as it was written: its checksum differs", _AGAIN)
    _check_manifest(manifest)
    for name in manifest["files"]:
        if leads_out(name):
            raise _fault(MANIFEST, "names a file outside its folder", _AGAIN, "files", shown(name))
    if missing := sorted(_NEEDED - manifest["files"].keys()):
        raise _fault(MANIFEST, f"does not name {missing[0]}", _AGAIN, "files")
    return manifest


def _check_manifest(manifest: Mapping[str, Any]) -> None:
    """Raise an error where a key is missing, or holds what it can't."""
    for key, kind in _KEYS.items():
        if key not in manifest:
            raise _fault(MANIFEST, "the key is missing", _AGAIN, key)
        value = manifest[key]
        good = isinstance(value, kind) and not isinstance(value, bool)
        if good and key in ("measures", "series"):
            good = all(isinstance(name, str) for name in value) and len(set(value)) == len(value)
        elif good and key in ("versions", "files"):
            good = all(isinstance(each, str) for each in value.values())
        elif good and key == "runs":
            names = {"name", "scenario", "effects"}
            good = len(value) > 0 and all(
                isinstance(run, dict)
                and run.keys() == names
                and all(isinstance(v, str) for v in run.values())
                for run in value
            )
        elif good and key == "exact_finishes":
            good = len(value) == len(manifest["runs"]) and all(type(each) is int for each in value)
        elif good and key in ("paths", "seed"):
            good = value >= (key == "paths")
        if not good:
            raise _fault(MANIFEST, "the key does not hold what it has to", _AGAIN, key, shown(value))
    if (manifest.get(REDUCTION) is not None) != (manifest["format_version"] == FORMAT_VERSIONS[1]):
        raise _fault(MANIFEST, "the key does not fit the format's version", _AGAIN, REDUCTION)
    if "gpustress" not in manifest["versions"]:
        raise _fault(MANIFEST, "the key does not tell the version of gpustress", _AGAIN, "versions")


def _fault(table: str, message: str, remedy: str, column: str | None = None, value: str = "") -> InputError:
    return InputError([Problem(table, None, column, value, message, remedy)])
