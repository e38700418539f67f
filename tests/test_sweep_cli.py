"""`gpustress sweep`: events, status, Ctrl-C, and what bad input gets."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from gpustress.sweeps.result import read_sweep, sweep_status
from sweeps import assert_same, small_shards, swept_system

HERE = Path(__file__).parent
ENVIRONMENT = os.environ | {"PYTHONPATH": f"{HERE.parent}{os.pathsep}{HERE}"}
SCRIPT = "from sweeps import small_shards; small_shards(); from gpustress.cli import main; main()"


@pytest.fixture(autouse=True)
def _small_shards(monkeypatch):
    small_shards(monkeypatch)


@pytest.fixture
def folder(tmp_path):
    swept_system().write(tmp_path / "system")
    return tmp_path / "system"


def test_a_sweep_is_run_and_told_in_a_few_lines(call, folder, tmp_path):
    code, out, err = call("sweep", folder, "--paths", 600, "--out", tmp_path / "out", "--seed", 2)
    assert code == 0
    assert "made: 2 scenarios x effects, 600 paths each" in out
    assert "Who fails most" in out
    assert "[bold]beta" in out
    assert "shards to do: about" in err
    assert "shard 3 of 3" in err
    assert read_sweep(tmp_path / "out").scenarios == ("base/first_round", "base/full")


def test_events_are_json_a_line(call, folder, tmp_path):
    code, out, err = call("sweep", folder, "--paths", 600, "--out", tmp_path / "out", "--json")
    assert (code, err) == (0, "")
    events = [json.loads(line) for line in out.splitlines()]
    assert [event["event"] for event in events if event["event"] != "progress"] == [
        "start",
        "note",
        "writing",
        "done",
    ]
    assert events[-1]["done"] == events[-1]["total"] == 1200


def test_options_of_the_machine_change_no_byte(call, folder, tmp_path):
    options = (
        "--paths",
        2000,
        "--effects",
        "full",
        "--keep",
        "paths",
        "--record",
        "estate",
        "--memory",
        "1GB",
    )
    options += ("--target-error", "failure:alpha=0.02", "--threads", 1, "--backend", "native")
    assert call("sweep", folder, "--out", tmp_path / "one", *options)[0] == 0
    assert read_sweep(tmp_path / "one").paths < 2000
    assert (
        call(
            "sweep", folder, "--out", tmp_path / "two", *options[:8], "--target-error", "failure:alpha=0.02"
        )[0]
        == 0
    )
    assert_same(tmp_path / "one", tmp_path / "two")


def test_the_status_is_told(call, folder, tmp_path):
    call("sweep", folder, "--paths", 600, "--out", tmp_path / "out")
    assert call("sweep", "--status", tmp_path / "out")[:2] == (0, "Done: 3 shards.\n")
    told = json.loads(call("sweep", "--status", tmp_path / "out", "--json")[1])
    assert told["whole"] is True
    (tmp_path / "out" / "sweep.json").unlink()
    assert "the same command as before goes on" in call("sweep", "--status", tmp_path / "out")[1]
    code, _, err = call("sweep", "--status", folder)
    assert code == 2
    assert "no folder of a sweep" in err


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ((), "--out"),
        (("--out", "OUT", "--keep", "all"), "keep"),
        (("--out", "OUT", "--target-error", "failure:alpha"), "--target-error"),
        (("--out", "OUT", "--target-error", "failure:alhpa=1"), "alpha"),
        (("--out", "OUT", "--memory", "1MB"), "too little"),
        (("--out", "SYSTEM"), "no sweep's"),
        (("--out", "OUT", "--cluster", "nowhere"), "--cluster"),
    ],
)
def test_bad_options_get_one_message_and_exit_2(call, folder, tmp_path, options, named):
    places = {"OUT": tmp_path / "out", "SYSTEM": folder}
    code, out, err = call("sweep", folder, *(places.get(option, option) for option in options))
    assert (code, out) == (2, "")
    assert named in err
    assert "Traceback" not in err


def test_another_sweeps_folder_is_exit_2_and_overwrite_says_otherwise(call, folder, tmp_path):
    assert call("sweep", folder, "--paths", 100, "--out", tmp_path / "out")[0] == 0
    code, _, err = call("sweep", folder, "--paths", 200, "--out", tmp_path / "out")
    assert code == 2
    assert "--overwrite" in err
    assert call("sweep", folder, "--paths", 200, "--out", tmp_path / "out", "--overwrite")[0] == 0
    assert read_sweep(tmp_path / "out").paths == 200


def test_ctrl_c_ends_a_sweep_and_says_how_to_go_on(folder, tmp_path):
    line = [
        sys.executable,
        "-c",
        SCRIPT,
        "sweep",
        str(folder),
        "--out",
        str(tmp_path / "out"),
        "--paths",
        "400000",
    ]
    process = subprocess.Popen(
        line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=ENVIRONMENT, text=True
    )
    while not (tmp_path / "out" / "records").is_dir() or len(os.listdir(tmp_path / "out" / "records")) < 2:
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (3, "")
    assert f"What is whole is in {tmp_path / 'out'}; the same command goes on from there." in err
    assert "Traceback" not in err
    status = sweep_status(tmp_path / "out")
    assert status.owner is None
    assert status.shards_done >= 2
