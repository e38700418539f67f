"""`gpustress network`: what it prints and stores, and what bad input gets."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import gpustress as gs
from gpustress.cli import network_command
from gpustress.files import write_table
from gpustress.networks import clearing, contagion
from gpustress.threads import MOST_THREADS

NODES = "name,external_assets,external_liabilities\na,12,9\nb,7,4\nc,6,4\nd,5,1\n"
EDGES = "debtor,creditor,amount\na,b,4\nb,c,3\nc,a,3\nc,d,1\nd,a,2\n"
SHOCKS = "shock,node,loss\n1,b,4\n0,a,10\n1,c,2.5\n2,d,5\n3,a,12\n3,b,7\n"
LOSSES = np.array([[10.0, 0, 0, 0], [0, 4, 2.5, 0], [0, 0, 0, 5], [12, 7, 0, 0]])
TOTALS = "name,owed,due,external_assets\na,10,8,5\nb,5,9,3\nc,7,5,2\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "net").mkdir()
    for name, text in (("nodes", NODES), ("edges", EDGES), ("shocks", SHOCKS)):
        (tmp_path / "net" / f"{name}.csv").write_text(text)
    return tmp_path / "net"


@pytest.fixture
def totals(tmp_path: Path) -> Path:
    (tmp_path / "known").mkdir()
    (tmp_path / "known" / "totals.csv").write_text(TOTALS)
    (tmp_path / "known" / "forbidden.csv").write_text("debtor,creditor\nb,c\n")
    return tmp_path / "known"


def stored(folder: Path) -> dict[str, pa.Table]:
    return {file.stem: pq.read_table(file) for file in folder.glob("*.parquet")}


def bytes_of(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir()}


# --- what it does ---


@pytest.mark.parametrize("format", [".csv", ".parquet", ".arrow"])
def test_a_network_is_read_from_its_folder_in_every_format(folder, tmp_path, format):
    net = gs.read_network(folder)
    assert (net.names, len(net.amount)) == (("a", "b", "c", "d"), 5)
    tables = {"edges": {"debtor": ["a"], "creditor": ["b"], "amount": [1.5]}, "nodes": {"name": ["a", "b"]}}
    (tmp_path / "other").mkdir()
    for name, columns in tables.items():
        write_table(pa.table(columns), tmp_path / "other" / f"{name}{format}")
    assert gs.read_network(tmp_path / "other") == gs.Network(tables["edges"], tables["nodes"])


def test_clear_prints_and_stores_what_clear_gives(call, folder, tmp_path):
    code, out, err = call("network", "clear", folder, "--out", tmp_path / "out", "--json")
    assert (code, err) == (0, f"Written to {tmp_path / 'out'}\n")
    net = gs.read_network(folder)
    cleared = gs.clear(net, net.external_assets - LOSSES)
    told = json.loads(out)
    assert (told["ok"], told["shocks"], told["digest"]) == (True, 4, net.digest)
    assert told["rows"] == cleared.summary().to_pylist()
    assert stored(tmp_path / "out") == {"clearing": cleared.table(), "clearing_summary": cleared.summary()}
    assert cleared.defaulted.any()


def test_clear_takes_costs_and_the_least_vector(call, folder):
    options = ("--method", "rogers_veraart", "--alpha", 0.5, "--beta", 0.6, "--solution", "least")
    code, out, _ = call("network", "clear", folder, *options, "--json")
    net = gs.read_network(folder)
    cleared = gs.clear(
        net, net.external_assets - LOSSES, "rogers_veraart", alpha=0.5, beta=0.6, solution="least"
    )
    assert (code, json.loads(out)["rows"]) == (0, cleared.summary().to_pylist())


def test_without_shocks_the_network_is_cleared_as_it_is(call, folder):
    (folder / "shocks.csv").unlink()
    told = json.loads(call("network", "clear", folder, "--json")[1])
    assert told["rows"] == gs.clear(gs.read_network(folder)).summary().to_pylist()


@pytest.mark.parametrize("given", [True, False])
def test_cascade_and_debtrank_take_shocks_or_each_node(call, folder, tmp_path, given):
    if not given:
        (folder / "shocks.csv").unlink()
    net, shocks = gs.read_network(folder), LOSSES if given else "each"
    cascade, rank = gs.cascade(net, None, shocks, 0.3), gs.debtrank(net, None, shocks)
    for name, options, rows, tables in (
        ("cascade", ("--recovery", 0.3), cascade.summary(), {"cascade_failures": cascade.failures()}),
        ("debtrank", (), rank.summary(), {"debtrank": rank.table()}),
    ):
        code, out, _ = call("network", name, folder, *options, "--json", "--out", tmp_path / name)
        expected = rows.to_pylist()
        if not given:
            expected = [{"node": node, **row} for node, row in zip(net.names, expected, strict=True)]
        assert (code, json.loads(out)["rows"]) == (0, expected)
        assert stored(tmp_path / name) == {**tables, f"{name}_summary": rows}
    assert rank.table().num_rows == np.count_nonzero(rank.distress)


@pytest.mark.parametrize("name", ["\x1b[31mred\x1b]0;title\x07", "a\0b", "two\nlines", "\u202eevil"])
def test_a_name_gives_the_terminal_no_command(call, tmp_path, name):
    (tmp_path / "net").mkdir()
    (tmp_path / "net" / "nodes.csv").write_text(f'name,external_assets\n"{name}",5\nb,5\n', encoding="utf-8")
    edges = f'debtor,creditor,amount\n"{name}",b,2\n'
    (tmp_path / "net" / "edges.csv").write_text(edges, encoding="utf-8")
    seen = "".join(character if character.isprintable() else "\ufffd" for character in name)
    code, out, err = call("network", "cascade", tmp_path / "net")
    assert (code, err) == (0, "")
    assert seen in out
    assert all(line.isprintable() for line in out.splitlines())
    code, out, _ = call("network", "cascade", tmp_path / "net", "--json")
    assert json.loads(out)["rows"][0]["node"] == name  # a machine gets the name itself
    (tmp_path / "net" / "edges.csv").write_text(edges + f'"{name}","{name}",1\n', encoding="utf-8")
    code, out, err = call("network", "cascade", tmp_path / "net")
    assert code == 2
    assert all(line.isprintable() for line in err.splitlines())


def test_shocks_can_be_failures(call, folder, tmp_path):
    (tmp_path / "mine.csv").write_text("shock,node,fails\n0,a,true\n0,d,true\n1,c,true\n")
    told = json.loads(
        call(
            "network",
            "debtrank",
            folder,
            "--shocks",
            tmp_path / "mine.csv",
            "--variant",
            "original",
            "--json",
        )[1]
    )
    fails = np.array([[True, False, False, True], [False, False, True, False]])
    assert told["rows"] == gs.debtrank(gs.read_network(folder), None, fails, "original").summary().to_pylist()


def batches_of(monkeypatch):
    """How many shocks each batch has from now on; four nodes take as much memory as some hundred."""
    monkeypatch.setattr(clearing, "_SHOCK_BYTES", 2000)
    monkeypatch.setattr(contagion, "CELL_BYTES", 2000)
    monkeypatch.setattr(contagion, "free_memory", lambda: 10**9)
    batches, do = [], network_command._add

    def watched(writer, name, table, first):
        if name.endswith("_summary"):
            batches.append(table.num_rows)
        do(writer, name, table, first)

    monkeypatch.setattr(network_command, "_add", watched)
    return batches


@pytest.mark.parametrize("name", ["clear", "cascade", "debtrank"])
def test_the_same_bytes_whatever_the_memory(call, folder, tmp_path, name, monkeypatch):
    monkeypatch.setattr("gpustress.networks.store.ROW_GROUP", 5)
    batches = batches_of(monkeypatch)
    for target, memory in (("one", "1GB"), ("two", "20kB"), ("three", "70kB")):
        assert call("network", name, folder, "--memory", memory, "--out", tmp_path / target)[0] == 0
    assert batches == [4, *[1] * 4, *[2] * 2]
    assert len(bytes_of(tmp_path / "one")) == 3
    assert bytes_of(tmp_path / "one") == bytes_of(tmp_path / "two") == bytes_of(tmp_path / "three")


def test_reconstruct_writes_networks_that_the_other_commands_take(call, totals, tmp_path):
    code, out, _ = call("network", "reconstruct", totals, "--out", tmp_path / "net", "--json")
    forbidden = {"debtor": ["b"], "creditor": ["c"]}
    table = pa.table(
        {"name": ["a", "b", "c"], "owed": [10.0, 5, 7], "due": [8.0, 9, 5], "external_assets": [5.0, 3, 2]}
    )
    net = gs.reconstruct(table, forbidden=forbidden)
    assert (code, json.loads(out)["rows"][0]["digest"]) == (0, net.digest)
    assert gs.read_network(tmp_path / "net") == net
    assert call("network", "clear", tmp_path / "net")[0] == 0


def test_reconstruct_writes_each_sample_into_a_folder(call, totals, tmp_path):
    options = ("--method", "fitness", "--density", 0.5, "--samples", 3, "--seed", 4)
    assert call("network", "reconstruct", totals, *options, "--out", tmp_path / "nets")[0] == 0
    drawn = [gs.read_network(tmp_path / "nets" / f"sample-{sample}") for sample in range(3)]
    table = pa.table(
        {"name": ["a", "b", "c"], "owed": [10.0, 5, 7], "due": [8.0, 9, 5], "external_assets": [5.0, 3, 2]}
    )
    forbidden = {"debtor": ["b"], "creditor": ["c"]}
    assert drawn == gs.reconstruct(table, "fitness", 4, 3, forbidden, 0.5)


def test_people_get_a_table_with_the_worst_first(call, folder):
    code, out, err = call("network", "clear", folder)
    assert (code, err) == (0, "")
    assert out.startswith("4 nodes, 5 edges; all shocks: 4.")
    shocks = [line.split()[0] for line in out.splitlines()[4:8]]
    unpaid = gs.clear(gs.read_network(folder), gs.read_network(folder).external_assets - LOSSES).summary()[
        "unpaid"
    ]
    assert shocks == [str(place) for place in np.argsort(-unpaid.to_numpy(), kind="stable")]


def test_of_many_rows_the_worst_are_printed(call, folder, tmp_path):
    rows = "".join(f"{shock},a,{shock / 10}\n" for shock in range(50))
    (tmp_path / "many.csv").write_text("shock,node,loss\n" + rows)
    _, out, _ = call("network", "debtrank", folder, "--shocks", tmp_path / "many.csv")
    assert "Of 50 rows the 20 with the most `impact`" in out
    assert len(out.splitlines()) < 30
    assert max(map(len, out.splitlines())) <= 100


# --- bad input ---


def test_all_errors_of_network_shocks_and_target_come_at_once(call, folder, tmp_path):
    (folder / "edges.csv").write_text(EDGES.replace("c,d", "c,q"))
    (folder / "nodes.csv").write_text(NODES.replace("d,5,1", "d,-5,1"))
    (folder / "extra.csv").write_text("x\n1\n")
    (tmp_path / "mine.csv").write_text("shock,node,loss\n0,z,1\n2,a,-1\n2,b,1\n2,b,1\n")
    arguments = ("network", "clear", folder, "--shocks", tmp_path / "mine.csv", "--out", folder)
    code, out, err = call(*arguments)
    assert (code, out) == (2, "")
    for part in (
        "`--out`: holds a file that is not of a network's result: `edges.csv`",
        "`extra.csv`: holds no table that is known",
        "`edges`, row 4, column `creditor`: names no node (value 'q')",
        "`nodes`, row 4, column `external_assets`: is too small",
        "`shocks`, row 1, column `node`: names no node (value 'z')",
        "`shocks`, row 2, column `loss`: is too small",
        "`shocks`, row 2, column `shock`: there is no shock 1 (value 2)",
        "`shocks`, row 4, column `node`: the same shock and node as in row 3",
    ):
        assert part in err
    told = json.loads(call(*arguments, "--json")[1])
    assert (told["ok"], len(told["problems"])) == (False, 8)


@pytest.mark.parametrize(
    ("command", "shocks", "part"),
    [
        ("clear", "0,a,12.5,\n", "`shocks`, row 1, column `loss`: is more than its external assets, 12 (value 12.5)"),
        ("clear", "0,b,1,\n0,a,,true\n", "`shocks`, row 2, column `fails`: has no meaning for `clear`"),
        ("cascade", "0,b,1,\n1,a,,true\n", "`shocks`, row 2, column `fails`: stands beside losses"),
        ("debtrank", "", "`shocks`: has no rows"),
    ],
)  # fmt: skip
def test_shocks_that_have_no_meaning_are_refused(call, folder, command, shocks, part):
    (folder / "shocks.csv").write_text("shock,node,loss,fails\n" + shocks)
    code, out, err = call("network", command, folder)
    assert (code, out) == (2, "")
    assert part in err


@pytest.mark.parametrize(
    ("command", "options", "named"),
    [
        ("clear", ("--method", "eisenberg"), "method"),
        ("clear", ("--alpha", 0.5), "alpha"),
        ("clear", ("--solution", "best"), "solution"),
        ("clear", ("--backend", "abacus"), "backend"),
        ("clear", ("--memory", "much"), "memory"),
        *(
            (command, ("--threads", MOST_THREADS + 1), "threads")
            for command in ("clear", "cascade", "debtrank")
        ),
        ("clear", ("--shocks", "nowhere.csv"), "--shocks"),
        ("cascade", ("--recovery", 1.5), "recovery"),
        ("debtrank", ("--variant", "lin"), "linear"),
        ("debtrank", ("--varaint", "linear"), "--varaint"),
    ],
)
def test_bad_options_get_one_message_and_exit_2(call, folder, command, options, named):
    code, out, err = call("network", command, folder, *options)
    assert (code, out) == (2, "")
    assert named in err
    assert "Traceback" not in err


def test_reconstruct_refuses_what_no_network_has(call, totals, tmp_path):
    assert "density" in call("network", "reconstruct", totals, "--method", "fitness")[2]
    (totals / "totals.csv").write_text(TOTALS.replace("c,7", "c,8"))
    code, _, err = call("network", "reconstruct", totals, "--out", tmp_path / "out")
    assert code == 2
    assert "`owed` exceeds `due`" in err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("command", ["clear", "cascade", "debtrank", "reconstruct"])
def test_a_missing_folder_or_table_is_bad_input(call, command, tmp_path):
    assert "is no folder" in call("network", command, tmp_path / "nowhere")[2]
    code, _, err = call("network", command, tmp_path)
    assert code == 2
    assert err.count("the table is missing") == (1 if command == "reconstruct" else 2)


# --- whole or not at all ---


def test_only_a_stored_result_is_replaced(call, folder, tmp_path):
    assert call("network", "clear", folder, "--out", tmp_path / "out")[0] == 0
    assert call("network", "cascade", folder, "--out", tmp_path / "out")[0] == 0
    assert set(stored(tmp_path / "out")) == {"cascade_failures", "cascade_summary"}
    (tmp_path / "out" / "mine.txt").write_text("mine")
    before = bytes_of(tmp_path / "out")
    code, _, err = call("network", "clear", folder, "--out", tmp_path / "out")
    assert code == 2
    assert "mine.txt" in err
    assert bytes_of(tmp_path / "out") == before


@pytest.mark.parametrize(("fault", "code"), [(KeyboardInterrupt(), 3), (OSError(28, "No space left"), 1)])
def test_what_ends_it_between_two_batches_leaves_nothing(call, folder, tmp_path, monkeypatch, fault, code):
    batches, clear = batches_of(monkeypatch), clearing._Clearer.clear

    def fail(*arguments):
        if len(batches) == 2:
            raise fault
        return clear(*arguments)

    monkeypatch.setattr(clearing._Clearer, "clear", fail)
    found, out, err = call("network", "clear", folder, "--memory", "20kB", "--out", tmp_path / "out")
    assert (found, out, len(err.splitlines())) == (code, "", 1)
    assert os.listdir(tmp_path) == ["net"]


@pytest.mark.parametrize("command", ["clear", "reconstruct"])
def test_a_reader_that_leaves_takes_no_result_away(folder, totals, tmp_path, command):
    place = totals if command == "reconstruct" else folder
    line = [sys.executable, "-m", "gpustress", "network", command, str(place), "--out", str(tmp_path / "out")]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])}
    with subprocess.Popen(
        line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment, text=True
    ) as process:
        process.stdout.close()
        err = process.stderr.read()
    assert (process.returncode, err) == (1, f"Written to {tmp_path / 'out'}\n")
    assert (tmp_path / "out" / "network.json").exists()
