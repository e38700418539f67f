"""`memory=` bounds what a sweep adds to its process after imports."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from needs import require

HERE = Path(__file__).parent
ENVIRONMENT = os.environ | {"PYTHONPATH": f"{HERE.parent}{os.pathsep}{HERE}"}
MEMORY = 256 * 10**6
SLACK = 1.25
PATHS = {"summary": 800_000, "paths": 150_000}  # of two scenarios; as arrays the first are 277 MB
SCRIPT = r"""
import re, sys
from pathlib import Path
import pyarrow.dataset
from sweeps import grid, swept

def resident(which):
    return int(re.search(rf"^{which}:\s+(\d+) kB$", Path("/proc/self/status").read_text(), re.M)[1]) * 1024

Path("/proc/self/clear_refs").write_text("5")
before = resident("VmRSS")
options = {"paths": int(sys.argv[2]), "keep": sys.argv[3], "memory": int(sys.argv[4])}
swept(sys.argv[1], scenarios=grid(2), record=("estate",), **options)
print(resident("VmHWM") - before)
"""


@pytest.mark.parametrize("keep", ["summary", "paths"])
def test_a_sweep_adds_no_more_than_it_may(tmp_path, keep):
    require("proc", Path("/proc/self/clear_refs").exists())
    line = [sys.executable, "-c", SCRIPT, str(tmp_path / "out"), str(PATHS[keep]), keep, str(MEMORY)]
    done = subprocess.run(line, capture_output=True, text=True, env=ENVIRONMENT, check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) <= SLACK * MEMORY
