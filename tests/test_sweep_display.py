"""What a sweep shows on a terminal, and that Ctrl-C leaves the terminal as it was."""

import os
import pty
import re
import signal
import subprocess
import sys
import termios
import time
from pathlib import Path

import pytest

from gpustress.sweeps.result import sweep_status
from needs import require
from sweeps import swept_system

HERE = Path(__file__).parent
ENVIRONMENT = os.environ | {
    "PYTHONPATH": f"{HERE.parent}{os.pathsep}{HERE}", "TERM": "xterm-256color", "COLUMNS": "80", "LINES": "24",
}  # fmt: skip
SCRIPT = (
    "import sys; from sweeps import small_shards; small_shards()\n"
    "from gpustress.sweeps import progress; progress.EVENT_SECONDS = 0.0\n"
    "from gpustress.cli import main; main()"
)
SHOW_CURSOR, HIDE_CURSOR = "\x1b[?25h", "\x1b[?25l"


class Terminal:
    """A pseudo-terminal with the command line on it."""

    def __init__(self, *arguments):
        self.master, self._slave = pty.openpty()
        self.before = termios.tcgetattr(self._slave)
        self.seen = ""
        line = [sys.executable, "-c", SCRIPT, *map(str, arguments)]
        self.process = subprocess.Popen(
            line,
            stdin=self._slave,
            stdout=self._slave,
            stderr=self._slave,
            env=ENVIRONMENT,
            start_new_session=True,
        )

    def read_until(self, wanted, seconds=120):
        """Read until the process has ended or shown something, a regular expression."""
        end = time.monotonic() + seconds
        os.set_blocking(self.master, False)
        while time.monotonic() < end:
            ended = self.process.poll() is not None
            try:
                self.seen += os.read(self.master, 1 << 16).decode(errors="replace")
            except BlockingIOError:
                if ended:
                    return
                time.sleep(0.005)
            if wanted and re.search(wanted, self.text):
                return
        raise AssertionError(f"not shown in time: {wanted}; seen {self.text[-2000:]}")

    @property
    def text(self):
        """What was shown, without colours, movements and breaks of lines."""
        return " ".join(re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", self.seen).split())

    @property
    def settings(self):
        return termios.tcgetattr(self._slave)

    def close(self):
        os.close(self.master)
        os.close(self._slave)


@pytest.fixture
def folder(tmp_path):
    require("pty", hasattr(os, "openpty") and Path("/dev/ptmx").exists())
    swept_system().write(tmp_path / "system")
    return tmp_path / "system"


def test_a_terminal_shows_how_far_a_sweep_is(folder, tmp_path):
    terminal = Terminal("sweep", folder, "--out", tmp_path / "out", "--paths", "3000")
    terminal.read_until(None)
    terminal.close()
    assert terminal.process.returncode == 0
    shown = terminal.text
    assert "shards to do: about" in shown
    assert re.search(r"[\d,]+ of 6,000 paths x scenarios", shown)
    assert re.search(r"shard \d+ of 12", shown)
    assert re.search(r"[\d,]+ failures, [\d,]+ a second, \d+ MB", shown)
    assert re.search(r"\d:\d\d:\d\d left", shown)
    assert re.search(r"\d+%", shown)
    assert "3,000 paths each" in shown
    assert terminal.seen.rfind(SHOW_CURSOR) > terminal.seen.rfind(HIDE_CURSOR) >= 0


def test_ctrl_c_leaves_the_terminal_as_it_was(folder, tmp_path):
    terminal = Terminal("sweep", folder, "--out", tmp_path / "out", "--paths", "400000")
    terminal.read_until(r"shard [2-9]\d* of")
    os.killpg(terminal.process.pid, signal.SIGINT)
    terminal.read_until(None)
    assert terminal.process.returncode == 3
    assert "the same command goes on from there." in terminal.text
    assert "Traceback" not in terminal.text
    assert terminal.settings == terminal.before
    assert terminal.seen.rfind(SHOW_CURSOR) > terminal.seen.rfind(HIDE_CURSOR) >= 0
    terminal.close()
    status = sweep_status(tmp_path / "out")
    assert (status.whole, status.owner) == (False, None)
    assert status.shards_done >= 2
