"""The command line: what it prints, how it ends, and what bad input gets."""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import get_args, get_type_hints

import pytest
import typer.main

from gpustress.answers.design_point import likeliest_point
from gpustress.answers.reverse import reverse_stress
from gpustress.answers.variance_shares import sobol_indices
from gpustress.cli import app
from gpustress.simulation import simulate
from gpustress.store import read_result
from gpustress.summary import summarise
from gpustress.system import read_system
from made import made_system

ENVIRONMENT = os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])}
LOAN = {
    "name": ["term"],
    "borrower": ["alpha"],
    "lender": ["gamma"],
    "principal": [30.0],
    "rate": [0.1],
    "years": [1.0],
}
SCENARIOS = {
    "scenario": ["base", "slump"],
    "parameter": [None, "flow.sales.scale"],
    "op": [None, "set"],
    "value": [None, 0.5],
}


@pytest.fixture
def folder(tmp_path):
    """A system whose lender fails by liquidity when its borrower does not pay."""
    entities = {"name": ["alpha", "[bold]beta", "gamma"], "cash": [1.0, 5.0, 2.0], "hazard": [0.2, 0.0, 0.0]}
    flows = {
        "name": ["sales", "rent", "wages"],
        "payer": [None, "alpha", "gamma"],
        "receiver": ["alpha", "gamma", None],
        "kind": ["revenue", "rent", "opex"],
        "amount": [20.0, 8.0, 8.0],
    }
    system = made_system(entities=entities, flows=flows, loans=LOAN, scenarios=SCENARIOS)
    system.write(tmp_path / "system")
    return tmp_path / "system"


def command(*arguments, **options):
    environment = ENVIRONMENT | options.pop("environment", {})
    line = [sys.executable, "-m", "gpustress", *map(str, arguments)]
    return subprocess.Popen(
        line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment, text=True, **options
    )


# --- run ---


def test_run_prints_who_fails_when_and_by_contagion(call, folder):
    code, out, err = call("run", folder, "--paths", 500, "--seed", 3)
    assert (code, err) == (0, "")
    assert "500 paths, 8 periods from 2026Q1 to 2027Q4, seed 3" in out
    assert "slump: who fails by 2027Q4" in out
    assert "base/first_round" in out  # of the book, and nowhere else
    assert "contagion, %" in out
    assert "ES 99 %" in out
    assert "In no path (below 0.6 % with 95 % confidence): [bold]beta." in out
    assert max(map(len, out.splitlines())) <= 100


def test_run_with_json_prints_the_summary_unrounded(call, folder):
    code, out, _ = call("run", folder, "--paths", 200, "--json")
    assert code == 0
    run = simulate(read_system(folder), paths=200, effects=["first_round", "full"])
    assert json.loads(out) == json.loads(json.dumps(summarise(run)))
    assert not {"NaN", "Infinity"} & set(out.replace(",", " ").split())


def test_the_same_seed_gives_the_same_output(call, folder):
    first = call("run", folder, "--paths", 100, "--seed", 5, "--json")
    assert first == call("run", folder, "--paths", 100, "--seed", 5, "--json", "--memory", "100MB")
    assert first != call("run", folder, "--paths", 100, "--seed", 6, "--json")


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ((), ["first_round", "full"]),
        (("--effects", "none,full"), ["none", "full"]),
        (("--effects", "none", "--effects", "full, first_round"), ["none", "full", "first_round"]),
        (("--effects", "full"), ["full"]),
    ],
)
def test_effects_are_repeated_or_parted_by_commas(call, folder, options, expected):
    _, out, _ = call("run", folder, "--paths", 10, "--json", *options)
    assert [run["effects"] for run in json.loads(out)["runs"]] == expected * 2


def test_run_takes_scenarios_from_a_file(call, folder, tmp_path):
    (tmp_path / "mine.csv").write_text("scenario,parameter,op,value\nmild,flow.sales.scale,set,0.9\n")
    _, out, _ = call("run", folder, "--paths", 10, "--json", "--scenarios", tmp_path / "mine.csv")
    assert {run["scenario"] for run in json.loads(out)["runs"]} == {"mild"}


def test_run_writes_the_same_bytes_whatever_the_memory(call, folder, tmp_path):
    options = ("--paths", 3000, "--seed", 1, "--record", "cash:alpha", "--record", "estate")
    code, _, err = call("run", folder, *options, "--out", tmp_path / "one", "--memory", "20MB")
    assert code == 0
    assert str(tmp_path / "one") in err
    assert call("run", folder, *options, "--out", tmp_path / "two", "--memory", "2GiB")[0] == 0
    files = [path.relative_to(tmp_path / "one") for path in (tmp_path / "one").rglob("*") if path.is_file()]
    assert len(files) > 10
    for file in files:
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()
    assert list(read_result(tmp_path / "one").series) == ["cash:alpha", "estate"]


def test_a_folder_that_can_not_be_replaced_is_refused_before_the_run(call, folder, monkeypatch):
    def never(*_, **__):
        raise AssertionError

    monkeypatch.setattr("gpustress.simulation.simulate", never)
    code, _, err = call("run", folder, "--out", folder)
    assert code == 2
    assert "no result" in err


def test_no_progress_is_printed_where_there_is_no_terminal(folder):
    process = command("run", folder, "--paths", 100)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0
    assert err == ""
    assert "\x1b" not in out


def test_a_terminal_that_lacks_characters_gets_others(folder):
    process = command("run", folder, "--paths", 20, environment={"PYTHONIOENCODING": "ascii"})
    out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (0, "")
    assert "?" in out


# --- check and info ---


def test_check_tells_size_and_effort(call, folder):
    code, out, err = call("check", folder)
    assert (code, err) == (0, "")
    assert "no problems" in out
    assert "entities 3" in out
    assert "of memory" in out


def test_check_with_json(call, folder):
    code, out, _ = call("check", folder, "--paths", 77, "--json")
    told = json.loads(out)
    assert (code, told["ok"], told["size"]["loans"]) == (0, True, 1)
    assert told["estimate"]["paths"] == 77
    assert told["estimate"]["runs"] == 4


def test_check_lists_every_problem_at_once(call, folder):
    flows = (folder / "flows.csv").read_text().replace("alpha", "alhpa")
    (folder / "flows.csv").write_text(flows.replace("opex", "opexx"))
    code, out, err = call("check", folder)
    assert (code, out) == (2, "")
    assert err.count("Did you mean `alpha`?") == 2
    assert "opexx" in err
    assert "Traceback" not in err
    code, out, err = call("check", folder, "--json")
    told = json.loads(out)
    assert (code, told["ok"], err) == (2, False, "")
    assert [problem["table"] for problem in told["problems"]] == ["flows"] * 3
    assert set(told["problems"][0]) == {"table", "row", "column", "value", "message", "remedy"}


def test_check_tells_notes(call, folder):
    file = folder / "loans.csv"
    header, row = file.read_text().splitlines()
    cells = dict(zip(header.split(","), row.split(","), strict=True)) | {"spread": "0.02"}
    file.write_text(f"{','.join(cells)}\n{','.join(cells.values())}\n")
    code, out, _ = call("check", folder)
    assert code == 0
    assert "Note: `loans`" in out
    told = json.loads(call("check", folder, "--json")[1])
    assert [note["column"] for note in told["notes"]] == ["spread"]


def test_info_says_which_backend_is_taken_and_why(call, monkeypatch):
    monkeypatch.delenv("GPUSTRESS_BACKEND", raising=False)
    assert call("info")[0] == 0
    told = json.loads(call("info", "--json")[1])
    assert told["taken"] in {backend["name"] for backend in told["backends"] if backend["works"]}
    assert told["why"] == "the best that works"
    monkeypatch.setenv("GPUSTRESS_BACKEND", "numpy")
    told = json.loads(call("info", "--json")[1])
    assert (told["taken"], told["why"]) == ("numpy", "GPUSTRESS_BACKEND=numpy")
    monkeypatch.setenv("GPUSTRESS_BACKEND", "abacus")
    code, out, err = call("info")
    assert code == 2
    assert "GPUSTRESS_BACKEND" in err
    assert "backend numpy: CPU" in out  # what works is said all the same
    assert call("info", "--json")[0] == 2


def test_a_device_for_a_backend_that_has_none_is_an_error_that_names_one(call, folder):
    code, _, err = call("run", folder, "--backend", "numpy", "--device", "0")
    assert code == 2
    assert "take cupy" in err


# --- exit codes ---


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (("--effects", "ful"), "full"),
        (("--effects", ""), "effects"),
        (("--backend", "abacus"), "backend"),
        (("--memory", "much"), "memory"),
        (("--memory", "1kB"), "memory"),
        (("--record", "cash:alhpa"), "alpha"),
        (("--scenarios", "nowhere.csv"), "--scenarios"),
        (("--scenarios", __file__), "--scenarios"),
        (("--seed", 2**64), "seed"),
        (("--seed", -1), "--seed"),
        (("--paths", 0), "--paths"),
        (("--paths", "many"), "--paths"),
        (("--pahts", 1), "--paths"),
        (("extra",), "extra"),
    ],
)
def test_bad_options_get_one_message_and_exit_2(call, folder, options, named):
    code, out, err = call("run", folder, *options)
    assert (code, out) == (2, "")
    assert named in err
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("line", "table", "named"),
    [
        (("run", "--json"), "gpustress run", "Missing argument 'FOLDER'"),
        (("run", "x", "--json", "--pahts", 1), "gpustress run", "No such option: --pahts"),
        (("run", "x", "--paths", "many", "--json"), "gpustress run", "'many' is no whole number"),
        (("check", "x", "y", "--json"), "gpustress check", "unexpected extra argument"),
        (("network", "claer", "x", "--json"), "gpustress network", "No such command 'claer'"),
        (("network", "clear", "--json"), "gpustress network clear", "Missing argument 'FOLDER'"),
        (("rum", "--json"), "gpustress", "No such command 'rum'"),
        (("--json",), "gpustress", "No such option: --json"),
    ],
)
def test_a_line_that_can_not_be_read_is_a_problem_in_json_where_that_is_asked_for(call, line, table, named):
    code, out, err = call(*line)
    assert (code, err) == (2, "")
    printed = json.loads(out)
    assert printed["ok"] is False
    (problem,) = printed["problems"]
    assert problem["table"] == table
    assert named in problem["message"]
    assert problem["remedy"] == f"See `{table} --help`."


def test_what_stands_behind_two_dashes_asks_for_no_json(call):
    code, out, err = call("check", "--", "x", "--json")
    assert (code, out) == (2, "")
    assert "unexpected extra argument" in err


def numeric_options():
    """Command and option of every option that is a number or several, and whether these are whole."""
    found, root = [], typer.main.get_command(app)
    for group, commands in (((), root.commands), (("network",), root.commands["network"].commands)):
        for name, command in commands.items():
            hints = get_type_hints(command.callback, include_extras=True) if command.callback else {}
            for param in command.params:
                words = set(re.findall(r"\w+", str(get_args(hints.get(param.name))[:1])))
                if words & {"int", "float"}:
                    found.append(((*group, name, param.opts[0]), "int" in words))
    return found


@pytest.mark.parametrize(
    ("line", "whole"),
    numeric_options(),
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_numbers_are_written_alike_in_every_option(call, line, whole):
    """Python reads 1_0 as 10, and digits of any script; with an equals sign no value is taken for an option."""
    *command, option = line
    for given in ("1_0", "1\u0660", "ten", "1.5" if whole else "1,5"):
        code, out, err = call(*command, f"{option}={given}")
        assert (code, out) == (2, "")
        assert f"Invalid value for '{option}': {given!r} is no " in " ".join(err.split())


def test_numbers_beside_names_are_written_so_too(call, folder):
    code, _, err = call("reverse", folder, "flow.sales.scale=1_0", "--low", 0, "--high", 1, "--target", 0)
    assert (code, "flow.sales.scale=1_0" in err) == (2, True)  # the name of nothing
    code, _, err = call("sweep", folder, "--estimate", "--target-error", "failure:alpha=1_0")
    assert (code, "is no figure with its error" in err) == (2, True)


@pytest.mark.parametrize("name", ["check", "run"])
def test_a_missing_folder_is_bad_input(call, name, tmp_path):
    code, out, err = call(name, tmp_path / "nowhere")
    assert (code, out) == (2, "")
    assert "is no folder" in err
    assert json.loads(call(name, tmp_path / "nowhere", "--json")[1])["ok"] is False


def test_an_unknown_command_is_bad_input(call):
    assert call("rum")[0] == 2


@pytest.mark.parametrize(
    ("fault", "code"), [(KeyboardInterrupt(), 3), (OSError(28, "No space left"), 1), (MemoryError(), 1)]
)
def test_what_is_no_bad_input_has_its_own_exit_code(call, folder, monkeypatch, fault, code):
    def fail(*_, **__):
        raise fault

    monkeypatch.setattr("gpustress.simulation.simulate", fail)
    found, out, err = call("run", folder)
    assert (found, out) == (code, "")
    assert "Traceback" not in err
    assert len(err.splitlines()) == 1


def test_a_fault_of_ours_shows_its_traceback(folder):
    script = "import gpustress.simulation as s, gpustress.cli as c; s.simulate = None; c.main()"
    line = [sys.executable, "-c", script, "run", folder]
    done = subprocess.run(line, capture_output=True, text=True, env=ENVIRONMENT, check=False)
    assert done.returncode == 1
    assert "TypeError" in done.stderr


INTERRUPTED = """
import sys, time
import gpustress.simulation as simulation
from gpustress.cli import main

simulate = simulation.simulate

def wait(done, total):
    print("running", file=sys.stderr, flush=True)
    time.sleep(60)

simulation.simulate = lambda *arguments, **options: simulate(*arguments, **options | {"progress": wait})
main()
"""


def test_ctrl_c_ends_a_run_with_exit_3_and_nothing_written(folder, tmp_path):
    line = [sys.executable, "-c", INTERRUPTED, "run", folder, "--out", tmp_path / "out"]
    with subprocess.Popen(
        line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=ENVIRONMENT, text=True
    ) as process:
        assert process.stderr.readline() == "running\n"
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
    assert (process.returncode, out, err) == (3, "", "Interrupted.\n")
    assert sorted(os.listdir(tmp_path)) == ["system"]


@pytest.mark.parametrize("name", ["run", "check", "info"])
@pytest.mark.parametrize(("options", "unbuffered"), [((), ""), (("--json",), ""), ((), "1")])
def test_a_reader_that_leaves_gets_no_traceback(folder, name, options, unbuffered):
    arguments = () if name == "info" else (folder, "--paths", 20)
    process = command(name, *arguments, *options, environment={"PYTHONUNBUFFERED": unbuffered})
    process.stdout.close()
    with process.stderr:
        assert process.stderr.read() == ""
    assert process.wait(timeout=60) == 1


# --- speed ---


def test_help_does_without_heavy_imports():
    script = """
import sys
from gpustress.cli import main
sys.argv[1:] = ["--help"]
try:
    main()
finally:
    print([name for name in ("numpy", "pyarrow", "scipy", "pandas", "rich") if name in sys.modules])
"""
    line = [sys.executable, "-c", script]
    done = subprocess.run(line, capture_output=True, text=True, env=ENVIRONMENT, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


# --- where output can't go, and what may not be written ---


@pytest.mark.parametrize("out", ["", ".", "..", "file/below", "x" * 256, "\udcff", "/proc/nowhere/out"])
def test_an_out_that_can_not_be_written_is_refused_before_the_run(call, folder, tmp_path, monkeypatch, out):
    def never(*_, **__):
        raise AssertionError

    monkeypatch.setattr("gpustress.simulation.simulate", never)
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "file").write_text("mine")
    monkeypatch.chdir(tmp_path / "work")
    code, printed, err = call("run", folder, "--out", out)
    assert (code, printed) == (2, "")
    assert "`--out`" in err
    assert os.listdir(tmp_path / "work") == ["file"]


def test_a_full_disk_takes_no_summary_away(call, folder, tmp_path, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("gpustress.store._write_files", full)
    code, out, err = call("run", folder, "--paths", 20, "--out", tmp_path / "out")
    assert code == 1
    assert "who fails by" in out
    assert err == "gpustress: [Errno 28] No space left on device\n"
    assert os.listdir(tmp_path) == ["system"]


def shell(line, *arguments):
    """A line of shell, in which "$@" is the command with these arguments; code, output, errors."""
    command = ["bash", "-c", line, "bash", sys.executable, "-m", "gpustress", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, env=ENVIRONMENT, check=False, timeout=100)
    assert b"Traceback" not in done.stderr
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize("redirected", [">&-", "2>&-", ">&- 2>&-", "2>/dev/full", "<&- >&- 2>&-"])
def test_closed_and_full_streams_keep_the_exit_code(folder, tmp_path, redirected):
    assert shell(f'"$@" {redirected}', "check", tmp_path / "nonexist")[0] == 2
    assert shell(f'"$@" {redirected}', "check", "--nonexist")[0] == 2
    assert shell(f'"$@" {redirected}', "check", "--nonexist", "--json")[0] == 2
    assert shell(f'"$@" {redirected}', "info")[0] == 0
    assert shell(f'"$@" {redirected}', "run", folder, "--paths", 5, "--out", tmp_path / "out")[0] == 0
    assert read_result(tmp_path / "out").paths == 5


def test_output_that_finds_no_room_is_told(folder, tmp_path):
    code, _, err = shell('"$@" >/dev/full', "run", folder, "--paths", 5, "--out", tmp_path / "out")
    assert code == 1
    assert b"No space left" in err
    assert read_result(tmp_path / "out").paths == 5
    assert shell('"$@" >/dev/full', "info")[0] == 1


def test_a_reader_that_leaves_takes_no_result_away(folder, tmp_path):
    process = command("run", folder, "--paths", 20, "--out", tmp_path / "out")
    process.stdout.close()
    with process.stderr:
        assert process.stderr.read() == f"Written to {tmp_path / 'out'}\n"
    assert process.wait(timeout=60) == 1
    assert read_result(tmp_path / "out").paths == 20


def test_a_name_that_is_no_text_is_bad_input(folder, tmp_path):
    assert shell('"$@" --out "$(printf "\\377")"', "run", folder)[0] == 2
    assert shell('"$@" "$(printf "\\377")"', "check")[0] == 2


SWALLOWED = """
import os, signal, sys
import gpustress.{module} as module
from gpustress.cli import main

def swallow(name, original):
    def swallowing(*arguments, **options):
        try:
            os.kill(os.getpid(), signal.SIGINT)
        except KeyboardInterrupt:
            {then}
        return original(*arguments, **options)
    setattr(module, name, swallowing)

swallow("{name}", module.{name})
main()
"""


@pytest.mark.parametrize(
    ("module", "name"), [("system", "read_system"), ("simulation", "simulate"), ("summary", "summarise")]
)
@pytest.mark.parametrize("then", ["pass", "raise SystemError('made of it')", "os.kill(os.getpid(), 2)"])
def test_a_ctrl_c_that_is_swallowed_ends_the_run_with_exit_3(folder, module, name, then):
    script = SWALLOWED.format(module=module, name=name, then=then)
    line = [sys.executable, "-c", script, "run", folder, "--paths", "20"]
    done = subprocess.run(line, capture_output=True, text=True, env=ENVIRONMENT, check=False, timeout=100)
    assert done.returncode == 3
    assert "Traceback" not in done.stderr
    assert name == "summarise" or done.stdout == ""


# --- reverse ---


def test_reverse_prints_the_answer_and_its_json_every_value_on_the_way(call, folder):
    line = ("reverse", folder, "flow.sales.scale", "--low", 0, "--high", 9, "--target", 0, "--measure", "net")
    code, out, err = call(*line, "--paths", 100)
    assert (code, err) == (0, "")
    assert "The mean of net's npv meets 0 at flow.sales.scale = " in " ".join(out.split())
    code, out, _ = call(*line, "--paths", 100, "--json")
    found = json.loads(out)
    assert code == 0
    assert found["low"] <= found["root"] <= found["high"]
    assert len(found["evaluations"]) >= 9


def test_reverse_blames_the_bounds_with_exit_code_2(call, folder):
    code, _, err = call("reverse", folder, "flow.sales.scale", "--low", 2, "--high", 1, "--target", 0)
    assert code == 2
    assert "`bounds`: has to be two finite numbers in order" in err


def test_reverse_moves_several_addresses_along_a_direction(call, folder):
    line = ("--low", 0, "--high", 9, "--target", 0, "--measure", "net", "--paths", 100, "--json")
    code, out, err = call("reverse", folder, "flow.sales.scale=2", "flow.rent.scale", *line)
    assert (code, err) == (0, "")
    both = json.loads(out)
    assert both["parameter"] == "+2 x flow.sales.scale, +1 x flow.rent.scale"
    assert both["op"] == "add"
    direction = {"flow.sales.scale": 2.0, "flow.rent.scale": 1.0}
    same = reverse_stress(read_system(folder), direction, bounds=(0, 9), target=0.0, measure="net", paths=100)
    assert both["root"] == same.root
    code, _, err = call("reverse", folder, "flow.sales.scale=2", "flow.sales.scale", *line[:-1])
    assert code == 2
    assert "stands there twice" in err


@pytest.fixture
def moving(tmp_path):
    """A system whose sales follow a factor."""
    factors = {"name": ["demand"], "process": ["gbm"], "volatility": [0.5]}
    sensitivities = {"target": ["sales"], "factor": ["demand"], "elasticity": [1.0]}
    entities = {"name": ["alpha", "[bold]beta", "gamma"], "cash": [1.0, 5.0, 2.0]}
    made_system(entities=entities, factors=factors, sensitivities=sensitivities).write(tmp_path / "moving")
    return tmp_path / "moving"


def test_reverse_finds_the_likeliest_path(call, moving):
    code, out, err = call("reverse", moving, "--likeliest", "--entity", "alpha")
    assert (code, err) == (0, "")
    assert ", alpha fails, in " in " ".join(out.split())
    code, out, _ = call("reverse", moving, "--likeliest", "--measure", "net", "--target", 0, "--json")
    found = json.loads(out)
    assert code == 0
    assert found["distance"] == likeliest_point(read_system(moving), measure="net", target=0.0).distance
    assert found["factors"][0]["factor"] == "demand"


def test_reverse_names_all_options_that_do_not_go_together(call, moving):
    code, _, err = call("reverse", moving, "flow.sales.scale", "--likeliest", "--low", 2, "--entity", "alpha")
    assert code == 2
    assert "`ADDRESS`: does not go with --likeliest" in err
    assert "`--low`: does not go with --likeliest" in err
    code, _, err = call("reverse", moving, "--low", 2)
    assert code == 2
    for name in ("ADDRESS", "--high", "--target"):
        assert f"`{name}`: is missing" in err
    code, _, err = call("reverse", moving, "--likeliest", "--entity", "alpha", "--statistic", "quantile")
    assert code == 2
    assert "`--statistic`: does not go with --likeliest" in err


# --- explain ---


def test_explain_tells_a_stored_result_in_words_and_as_json(call, folder, tmp_path):
    call("run", folder, "--paths", 200, "--out", tmp_path / "out")
    code, out, err = call("explain", tmp_path / "out", "--scenario", "slump")
    assert (code, err) == (0, "")
    assert out.startswith("slump/full\n")
    assert "is the first to fail on" in out
    assert "The worst path, number" in out
    code, out, _ = call("explain", tmp_path / "out", "--scenario", "slump", "--json")
    assert code == 0
    assert json.loads(out)["scenario"] == "slump/full"


def test_explain_attributes_variances_to_factors_and_says_what_it_costs(call, moving, tmp_path):
    call("run", moving, "--paths", 200, "--out", tmp_path / "out")
    code, out, err = call("explain", tmp_path / "out", "--factors")
    assert (code, err) == (0, "4 new runs of 200 paths ...\n")
    assert "The variance of the net present value of net is due to demand" in " ".join(out.split())
    code, out, _ = call("explain", tmp_path / "out", "--factors", "--json")
    shares = json.loads(out)["shares"]
    same = sobol_indices(read_system(moving), measures=["net", "gross"], paths=200).to_pylist()
    assert (code, shares) == (0, same)
    assert json.loads(call("explain", tmp_path / "out", "--json")[1])["shares"] is None


def test_explain_blames_an_unknown_scenario_with_exit_code_2(call, folder, tmp_path):
    call("run", folder, "--paths", 10, "--out", tmp_path / "out")
    code, _, err = call("explain", tmp_path / "out", "--scenario", "nothing")
    assert code == 2
    assert "`scenario`: is no scenario of this run" in err


def test_explain_refuses_before_it_tells_of_new_runs(call, moving, tmp_path, monkeypatch):
    system = read_system(moving)
    own = {"path": [0] * 8 + [1] * 8, "period": [*range(8)] * 2, "demand": [1.0] * 16}
    simulate(system, factors=own).write(tmp_path / "own")
    simulate(system, paths=64, variance_reduction="antithetic").write(tmp_path / "pairs")
    simulate(system, paths=2).write(tmp_path / "out")
    for out, more, blamed in (
        ("own", (), "factor_shares"),
        ("pairs", (), "variance_reduction"),
        ("out", ("--scenario", "nothing"), "scenario"),
        ("out", (), "SALib"),
    ):
        if blamed == "SALib":
            monkeypatch.setitem(sys.modules, "SALib.analyze", None)
        code, printed, err = call("explain", tmp_path / out, "--factors", *more)
        assert (code, printed) == (2, "")
        assert err.startswith(f"1 problem in the input:\n  `{blamed}`: ")
