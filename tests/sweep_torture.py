"""Kill a sweep at random moments: `python sweep_torture.py FOLDER KILLS SEED`; imports once and forks.

Each child runs the sweep of `sweeps.swept`; it is killed after a random share of the time that an undisturbed one
takes, and the next child goes on. A sweep that comes to its
end is compared to the undisturbed one, and the next begins.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import sys
import time
import traceback
from pathlib import Path

import pyarrow.dataset
import pyarrow.parquet  # noqa: F401

import gpustress.sweeps.sweeping
from sweeps import contents, small_shards, swept


def child(out: Path) -> int:
    """Run the sweep in a process of its own; its number."""
    number = os.fork()
    if number == 0:
        code = 1
        try:
            swept(out)
            code = 0
        except BaseException:
            traceback.print_exc()
            raise
        finally:
            sys.stderr.flush()
            os._exit(code)
    return number


def ended(number: int, until: float) -> int | None:
    """How a child has ended: its exit code; None where it was killed at `until`."""
    while time.monotonic() < until:
        found, status = os.waitpid(number, os.WNOHANG)
        if found:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.001)
    os.kill(number, signal.SIGKILL)
    code = os.waitstatus_to_exitcode(os.waitpid(number, 0)[1])
    return None if code == -signal.SIGKILL else code


def torture(folder: Path, kills: int, seed: int) -> dict[str, int]:
    """Kill so often; how many sweeps came to their end and were the same."""
    small_shards()
    choose = random.Random(seed)
    start = time.monotonic()
    if ended(child(folder / "undisturbed"), start + 600) != 0:
        raise RuntimeError("the undisturbed sweep has failed")
    seconds = time.monotonic() - start
    expected = contents(folder / "undisturbed")
    killed = same = 0
    while killed < kills or (folder / "out").exists():
        last = killed >= kills
        moment = time.monotonic() + (600 if last else choose.uniform(0.0, seconds))
        code = ended(child(folder / "out"), moment)
        if code is None:
            killed += 1
        elif code != 0:
            raise RuntimeError(f"after {killed} kills the sweep has failed with {code}")
        else:
            found = contents(folder / "out")
            differing = sorted(
                name for name in expected.keys() | found.keys() if expected.get(name) != found.get(name)
            )
            if differing:
                raise RuntimeError(f"after {killed} kills {differing} differ")
            same += 1
            shutil.rmtree(folder / "out")
    return {"killed": killed, "same": same}


if __name__ == "__main__":
    assert gpustress.sweeps.sweeping
    print(json.dumps(torture(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))))
