"""`gpustress network clear | cascade | debtrank | reconstruct`."""

from __future__ import annotations

import sys
from contextlib import nullcontext
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .console import complain, print_json, reported
from .interrupt import heed_interrupt
from .numerals import real, whole
from .options import Backend, Json, Threads

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..errors import Problem
    from ..networks.network import Network
    from ..networks.shocks import Shocks
    from ..networks.store import NetworkResultWriter

network = typer.Typer(
    name="network",
    help="Clear static networks, let failures and distress spread, reconstruct networks from totals.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

NetworkFolder = Annotated[
    str, typer.Argument(metavar="FOLDER", help="Folder of a network: tables edges and nodes, perhaps shocks.")
]
ShockFile = Annotated[
    str | None,
    typer.Option(
        "--shocks",
        metavar="FILE",
        help="Table of shocks (shock, node, loss, fails) instead of the folder's own.",
    ),
]
Memory = Annotated[
    str | None,
    typer.Option(
        "--memory",
        metavar="SIZE",
        help="For the shocks done at a time, e.g. 4GB; default: a quarter of what is free.",
    ),
]
Out = Annotated[
    str | None, typer.Option("--out", metavar="FOLDER", help="Store the result there, as Parquet.")
]


@network.command()
def clear(
    folder: NetworkFolder,
    *,
    shocks: ShockFile = None,
    method: Annotated[
        str, typer.Option("--method", metavar="M", help="eisenberg_noe or rogers_veraart.")
    ] = "eisenberg_noe",
    alpha: Annotated[
        float,
        typer.Option(
            "--alpha", metavar="X", parser=real, help="rogers_veraart: share of external assets in default."
        ),
    ] = 1.0,
    beta: Annotated[
        float,
        typer.Option(
            "--beta", metavar="X", parser=real, help="rogers_veraart: share of receipts in default."
        ),
    ] = 1.0,
    solution: Annotated[
        str, typer.Option("--solution", metavar="S", help="greatest or least clearing vector.")
    ] = "greatest",
    backend: Backend = "auto",
    threads: Threads = None,
    memory: Memory = None,
    out: Out = None,
    as_json: Json = False,
) -> None:
    """Clear a network: who pays what, and who defaults.

    Shocks are losses of external assets; without any, the network is cleared as it is.
    """
    with reported(as_json):
        from ..networks.clearing import clear_blocks
        from ..networks.shocks import ShockedAssets, check_assets

        net, given = _read(folder, shocks, out)
        if given is not None:
            check_assets(given, net)
        options: dict[str, Any] = {"method": method, "alpha": alpha, "beta": beta, "solution": solution}
        assets = net.external_assets[None] if given is None else ShockedAssets(net.external_assets, given)
        blocks = clear_blocks(net, assets, **options, backend=backend, threads=threads, memory=memory)
        tables = ({"clearing": one.table(), "clearing_summary": one.summary()} for one in blocks)
        work = _Work("clear", net, options, len(assets), ("unpaid", "all shocks"))
        _do(work, tables, out, as_json)


@network.command()
def cascade(
    folder: NetworkFolder,
    *,
    shocks: ShockFile = None,
    recovery: Annotated[
        float,
        typer.Option(
            "--recovery", metavar="X", parser=real, help="Share of its debts that who has failed pays."
        ),
    ] = 0.0,
    backend: Backend = "auto",
    threads: Threads = None,
    memory: Memory = None,
    out: Out = None,
    as_json: Json = False,
) -> None:
    """Let failures cascade: who loses more than its equity fails, and its creditors lose.

    Shocks are losses of equity, or failures; without any, each node fails in turn.
    """
    with reported(as_json):
        from ..networks.cascades import cascade_blocks

        net, given = _read(folder, shocks, out)
        batch, count = _of_equity(net, given)
        blocks = cascade_blocks(net, None, batch, recovery, backend=backend, threads=threads, memory=memory)
        tables = ({"cascade_failures": one.failures(), "cascade_summary": one.summary()} for one in blocks)
        work = _Work("cascade", net, {"recovery": recovery}, count, ("loss", _shocks_called(given)))
        _do(work, tables, out, as_json)


@network.command()
def debtrank(
    folder: NetworkFolder,
    *,
    shocks: ShockFile = None,
    variant: Annotated[str, typer.Option("--variant", metavar="V", help="linear or original.")] = "linear",
    backend: Backend = "auto",
    threads: Threads = None,
    memory: Memory = None,
    out: Out = None,
    as_json: Json = False,
) -> None:
    """Let distress spread before anybody fails: DebtRank, and who is vulnerable.

    Shocks are losses of equity, or failures; without any, each node fails in turn, and the impact of each is its
    DebtRank.
    """
    with reported(as_json):
        from ..networks.distress import debtrank_blocks

        net, given = _read(folder, shocks, out)
        batch, count = _of_equity(net, given)
        options: dict[str, Any] = {"variant": variant}
        blocks = debtrank_blocks(net, None, batch, **options, backend=backend, threads=threads, memory=memory)
        tables = ({"debtrank": one.table(), "debtrank_summary": one.summary()} for one in blocks)
        work = _Work("debtrank", net, options, count, ("impact", _shocks_called(given)))
        _do(work, tables, out, as_json)


@network.command()
def reconstruct(
    folder: Annotated[
        str, typer.Argument(metavar="FOLDER", help="Folder with the table totals, perhaps forbidden.")
    ],
    *,
    method: Annotated[
        str, typer.Option("--method", metavar="M", help="max_entropy, min_density or fitness.")
    ] = "max_entropy",
    seed: Annotated[
        int,
        typer.Option(
            "--seed", metavar="N", min=0, parser=whole(0), help="The same seed gives the same networks."
        ),
    ] = 0,
    samples: Annotated[
        int, typer.Option("--samples", metavar="N", min=1, parser=whole(1), help="How many networks.")
    ] = 1,
    density: Annotated[
        float | None,
        typer.Option("--density", metavar="X", parser=real, help="fitness: expected links over N (N - 1)."),
    ] = None,
    out: Out = None,
    as_json: Json = False,
) -> None:
    """Make plausible networks of which only each node's totals are known.

    With --out, edges and nodes; of several samples each in a folder of its own (sample-0, sample-1, ...), which
    the other commands take.
    """
    with reported(as_json):
        from ..errors import InputError
        from ..networks.files import read_tables, write_network
        from ..networks.reconstruction import reconstruct as reconstruct_network
        from ..networks.reconstruction_schema import FORBIDDEN, TOTALS
        from ..networks.store import network_result

        heed_interrupt()
        problems: list[Problem] = []
        _check_out(out, problems)
        tables = read_tables(folder, (TOTALS, FORBIDDEN), problems)
        if problems:
            raise InputError(problems)
        options: dict[str, Any] = {"method": method, "seed": seed, "samples": samples, "density": density}
        drawn = reconstruct_network(tables["totals"], forbidden=tables["forbidden"], **options)
        networks = drawn if isinstance(drawn, list) else [drawn]
        nodes = len(networks[0].names)
        rows = [
            {"sample": sample, "edges": len(net.amount), "density": len(net.amount) / max(1, nodes * (nodes - 1)),
             "owed": float(net.amount.sum()), "digest": net.digest}
            for sample, net in enumerate(networks)
        ]  # fmt: skip
        facts = {"command": "reconstruct", "nodes": nodes, **options}
        unheard = _say(facts, rows, as_json, f"{nodes:,} nodes; networks by {method}: {len(rows):,}.", None)
        if out is not None:
            with network_result(out, facts) as result:
                for sample, net in enumerate(networks):
                    heed_interrupt()
                    place = result.folder if len(networks) == 1 else result.folder / f"sample-{sample}"
                    place.mkdir(exist_ok=True)
                    write_network(net, place)
            complain(f"Written to {out}")
        if unheard is not None:
            raise unheard


class _Work:
    """A batch of shocks to a network: what is asked, and how its summary is shown."""

    def __init__(
        self, command: str, net: Network, options: dict[str, Any], count: int, shown: tuple[str, str]
    ):
        self.command, self.net, self.options, self.count = command, net, options, count
        self.by, self.shocks = shown
        self.facts = {
            "command": command, "nodes": len(net.names), "edges": len(net.amount), "digest": net.digest,
            "shocks": count, **options,
        }  # fmt: skip


def _read(folder: str, file: str | None, out: str | None) -> tuple[Network, Shocks | None]:
    """The network of a folder and its shocks, or those of a file; with every problem of all of them."""
    from ..errors import InputError
    from ..networks.files import read_file, read_tables
    from ..networks.network import Network
    from ..networks.schema import EDGES, NODES
    from ..networks.shocks import SHOCKS, check_shocks, shocks_of

    heed_interrupt()
    problems: list[Problem] = []
    _check_out(out, problems)
    tables = read_tables(folder, (EDGES, NODES) if file else (EDGES, NODES, SHOCKS), problems)
    shocks = read_file(file, SHOCKS, "--shocks", problems) if file else tables["shocks"]
    net, nodes = None, tables["nodes"]
    if nodes is not None and tables["edges"] is not None:
        try:
            net = Network(tables["edges"], nodes)
        except InputError as error:
            problems.extend(error.problems)
    if shocks is not None:
        check_shocks(shocks, None if nodes is None else nodes["name"], problems)
    if problems or net is None:
        raise InputError(problems)
    heed_interrupt()
    return net, None if shocks is None else shocks_of(shocks, net)


def _check_out(out: str | None, problems: list[Problem]) -> None:
    from ..errors import InputError
    from ..networks.store import check_target

    if out is not None:
        try:
            check_target(out, "--out")
        except InputError as error:
            problems.extend(error.problems)


def _of_equity(net: Network, given: Shocks | None) -> tuple[Any, int]:
    """Shocks to equity, and how many there are: those given, or each node's failure."""
    from ..networks.contagion_arguments import EACH
    from ..networks.shocks import check_equity

    if given is None:
        return EACH, len(net.names)
    check_equity(given)
    return given.of_equity(len(net.names)), given.count


def _shocks_called(given: Shocks | None) -> str:
    return "all shocks" if given is not None else "the failure of each node"


def _do(work: _Work, blocks: Iterator[dict[str, Any]], out: str | None, as_json: bool) -> None:
    """Do the blocks one by one, each written before the next, and say what came of all.

    What a block gives are its tables, the one with a row for each shock last.
    """
    import pyarrow as pa

    from ..networks.store import network_result

    summaries: list[pa.Table] = []
    first = 0
    stored = nullcontext() if out is None else network_result(out, work.facts)
    with stored as writer:
        for block in blocks:
            heed_interrupt()
            *tables, (name, summary) = block.items()
            end = first + summary.num_rows
            summary = summary.set_column(0, "shock", pa.array(range(first, end), pa.int64()))
            summaries.append(summary)
            for table_name, table in tables:
                _add(writer, table_name, table, first)
            _add(writer, name, summary, 0)
            first = end
        rows = pa.concat_tables(summaries).to_pylist()
        if work.shocks != "all shocks":
            rows = [{"node": name, **row} for name, row in zip(work.net.names, rows, strict=True)]
        head = (
            f"{len(work.net.names):,} nodes, {len(work.net.amount):,} edges; {work.shocks}: {work.count:,}."
        )
        unheard = _say(work.facts, rows, as_json, head, work.by)
    if out is not None:
        complain(f"Written to {out}")
    if unheard is not None:
        raise unheard


def _add(writer: NetworkResultWriter | None, name: str, table: Any, first: int) -> None:
    if writer is None:
        return
    import pyarrow as pa
    import pyarrow.compute as pc

    if first:
        table = table.set_column(0, "shock", pc.add(table["shock"], pa.scalar(first, pa.int64())))
    writer.add(name, table)


def _say(
    facts: dict[str, Any], rows: list[dict[str, Any]], as_json: bool, head: str, by: str | None
) -> OSError | None:
    """Print what came of it; what kept it from being read, for the end: no result is lost by that."""
    try:
        if as_json:
            print_json({"ok": True, **facts, "rows": rows})
        else:
            from ..networks.rendering import render_rows
            from .console import console

            render_rows(head, rows, by, console())
        sys.stdout.flush()
    except OSError as error:
        return error
    return None
