"""What is free is what the machine has, or less where a control group of this process says so."""

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import gpustress as gs
from contagion_cases import market, owes
from gpustress import memory
from gpustress.backends import get_backend
from gpustress.backends.base import TellsLeast
from made import made_system

FREE = 8 * 10**9
GB = 10**9


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """A machine with 8 GB available, and a function that makes a control group in it."""
    (tmp_path / "meminfo").write_text(f"MemTotal: 16000000 kB\nMemAvailable: {FREE // 1024} kB\n")
    monkeypatch.setattr(memory, "_MEMORY_INFO", tmp_path / "meminfo")
    monkeypatch.setattr(memory, "_OWN_GROUPS", tmp_path / "own")
    monkeypatch.setattr(memory, "_GROUPS", tmp_path / "cgroup")

    def group(place, limit, used, stat=""):
        folder = tmp_path / "cgroup" / place
        folder.mkdir(parents=True, exist_ok=True)
        first = place.startswith("memory")
        names = (
            ("memory.limit_in_bytes", "memory.usage_in_bytes") if first else ("memory.max", "memory.current")
        )
        for name, number in zip(names, (limit, used), strict=True):
            (folder / name).write_text(f"{number}\n")
        (folder / "memory.stat").write_text(stat)

    def own(*lines):
        (tmp_path / "own").write_text("".join(f"{line}\n" for line in lines))

    return group, own


def test_without_control_groups_it_is_what_the_machine_has(machine):
    assert memory.free_memory() == FREE // 1024 * 1024
    machine[1]("0::/")
    assert memory.free_memory() == FREE // 1024 * 1024


def test_the_tightest_of_the_groups_around_a_job_counts(machine):
    group, own = machine
    own("0::/system.slice/slurmstepd.scope/job_7/step_0")
    group("system.slice/slurmstepd.scope/job_7/step_0", "max", GB)
    group("system.slice/slurmstepd.scope/job_7", 3 * GB, GB)
    group("system.slice", 6 * GB, 5 * GB // 2)
    assert memory.free_memory() == 2 * GB
    assert memory.budget(None) == GB // 2
    group("system.slice/slurmstepd.scope/job_7/step_0", 2 * GB, 3 * GB // 2)
    assert memory.free_memory() == GB // 2
    group("system.slice/slurmstepd.scope/job_8", GB, GB)
    assert memory.free_memory() == GB // 2


def test_cached_files_that_may_be_dropped_are_free(machine):
    group, own = machine
    own("0::/pod")
    group("pod", 2 * GB, 2 * GB, f"anon 5\ninactive_file {GB // 2}\nactive_file 7\n")
    assert memory.free_memory() == GB // 2


def test_groups_of_the_first_version_are_read(machine):
    group, own = machine
    own("5:devices:/a", "4:cpu,memory:/jobs/one", "1:name=systemd:/", "0::/")
    group("memory/jobs/one", 9223372036854771712, 2 * GB)
    group("memory/jobs", 4 * GB, 3 * GB, f"inactive_file 1\ntotal_inactive_file {GB}\n")
    assert memory.free_memory() == 2 * GB


@pytest.mark.parametrize("line", ["0::/../../pod", "0::/kubepods/pod_of_the_machine", "0::/"])
def test_in_a_container_the_group_at_the_top_is_its_own(machine, line):
    group, own = machine
    own(line)
    group(".", GB, GB // 4)
    assert memory.free_memory() == 3 * GB // 4


def test_a_group_that_is_used_up_leaves_nothing(machine):
    group, own = machine
    own("0::/pod")
    group("pod", GB, GB + 5)
    assert memory.free_memory() == 0


@given(st.integers(1, 10**18))
def test_a_size_in_words_is_read_as_no_more_or_as_no_less(size):
    low, high = memory.parse_size(memory.in_words(size)), memory.parse_size(memory.in_words(size, up=True))
    assert low <= size <= high
    assert high - low <= max(1, size // 100)


NET = owes("abc", ("a", "b", 10.0), ("b", "c", 8.0))
ASKED = {
    "simulate": lambda **more: gs.simulate(made_system(), paths=100, **more),
    "estimate_sweep": lambda **more: gs.estimate_sweep(made_system(), paths=100, **more),
    "clear": lambda **more: gs.clear(NET, **more),
    "clear_blocks": lambda **more: list(gs.clear_blocks(NET, np.ones((9, 3)), **more)),
    "clear_blocks of so many": lambda **more: list(gs.clear_blocks(NET, np.ones((9, 3)), shocks=2, **more)),
    "fire_sales": lambda **more: gs.fire_sales(*market(), [0.1, 0.0, 0.0], **more),
    "fire_sales_blocks": lambda **more: list(gs.fire_sales_blocks(*market(), [[0.1, 0.0, 0.0]] * 9, **more)),
    "cascade": lambda **more: gs.cascade(NET, [1.0, 2.0, 3.0], "each", **more),
    "cascade_blocks": lambda **more: list(gs.cascade_blocks(NET, [1.0, 2.0, 3.0], "each", **more)),
    "debtrank": lambda **more: gs.debtrank(NET, [1.0, 2.0, 3.0], "each", **more),
    "debtrank_blocks": lambda **more: list(gs.debtrank_blocks(NET, [1.0, 2.0, 3.0], [np.ones(3)], **more)),
}


@pytest.mark.parametrize("asked", list(ASKED.values()), ids=list(ASKED))
def test_too_little_memory_is_refused_with_an_amount_that_is_enough(asked, backend):
    if not isinstance(get_backend(backend), TellsLeast):
        pytest.skip(f"{backend} does not tell how little memory it can do with")
    for little in (1, "0.2 kB"):
        with pytest.raises(gs.InputError, match="`memory`: is too little for") as caught:
            asked(memory=little, backend=backend)
        (problem,) = caught.value.problems
        enough = re.search(r"at least ([\d.]+ \w+)", problem.remedy)[1]
        assert memory.parse_size(enough) > memory.parse_size(little)
        asked(memory=enough, backend=backend)
