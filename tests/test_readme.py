"""What the README says works: its quickstart runs, and CI calls its own test command."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def block(name: str) -> list[str]:
    found = re.search(rf"<!-- {name} -->\n```\w+\n(.*?)```", README, re.DOTALL)
    assert found
    return found[1].splitlines()


def test_the_quickstart_runs_and_is_short() -> None:
    lines = block("quickstart")
    assert len(lines) <= 15
    done = subprocess.run(
        [sys.executable, "-c", "\n".join(lines)],
        cwd=ROOT,
        env=os.environ | {"PYTHONWARNINGS": "error"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "openai" in done.stdout


def test_each_command_is_one_line() -> None:
    assert len(block("run")) == 1
    assert len(block("test")) == 1


def test_ci_calls_the_readmes_test_command() -> None:
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    found = re.search(r"^command=\$\((.*)\)$", script, re.MULTILINE)
    assert found
    command = subprocess.run(["bash", "-c", found[1]], cwd=ROOT, capture_output=True, text=True, check=True)
    assert command.stdout.splitlines() == block("test")
    assert 'bash -c "$command"' in script


def test_the_output_shown_is_what_the_main_job_prints() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "gpustress", *block("run")[0].split(" && ")[-1].split()[1:]],
        cwd=ROOT,
        env=os.environ | {"COLUMNS": "100"},
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
    )
    found = re.search(r"```text\n(.*?)```", README, re.DOTALL)
    assert found
    printed = "\n".join(line.rstrip() for line in done.stdout.splitlines())
    assert found[1].strip() in printed
