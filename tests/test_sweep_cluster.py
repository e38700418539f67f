"""Sweeps on a Dask cluster: the same bytes as on one machine, whoever dies on the way."""

import os
import re
import signal
import sys
import threading

import pytest
from distributed import Client, LocalCluster, Status

from cupy_host import devices
from gpustress.backends.cupy import CupyBackend
from gpustress.errors import InputError
from gpustress.sweeps import cluster as sweep_cluster
from gpustress.sweeps import shards
from gpustress.sweeps.files import SweepFolder, mark_of
from sweeps import assert_same, grid, small_shards, swept
from test_sweep import Finished, question

NO_WORKER = "no worker: waiting for one to join the cluster"


@pytest.fixture(autouse=True)
def _small_shards(monkeypatch):
    small_shards(monkeypatch)


@pytest.fixture(scope="module")
def client():
    """Two workers, each a process that a nanny starts anew when it dies."""
    options = {"threads_per_worker": 1, "processes": True, "dashboard_address": ":0"}
    with LocalCluster(n_workers=2, **options) as cluster, Client(cluster) as found:
        yield found


def pids(client):
    """Of the workers that have started: a nanny gives up one that dies before it has told of its start."""
    processes = [nanny.process for nanny in client.cluster.workers.values()]
    return [each.pid for each in processes if each is not None and each.status is Status.running]


def test_one_worker_and_two_give_the_bytes_of_one_machine(client, tmp_path, undisturbed, monkeypatch):
    here = Finished(monkeypatch)
    swept(tmp_path / "two", cluster=client)
    assert here.count == 0
    assert_same(tmp_path / "two", undisturbed)
    options = {"threads_per_worker": 1, "processes": True, "dashboard_address": ":0"}
    with LocalCluster(n_workers=1, **options) as cluster, Client(cluster) as alone:
        swept(tmp_path / "one", cluster=alone, memory="700MB")
    assert_same(tmp_path / "one", undisturbed)


@pytest.mark.parametrize("visible", ["3", "1,0"])  # dask-cuda shows each worker all, its own first
def test_a_worker_takes_the_first_of_the_devices_that_it_sees(tmp_path, monkeypatch, visible):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    monkeypatch.setattr(shards, "STEP", 32)
    registry = sys.modules["gpustress.backends"]
    monkeypatch.setitem(registry._BACKENDS, "cupy", lambda devices=None: CupyBackend(devices))
    options = {"paths": 64, "scenarios": grid(3)}
    worker = {"n_workers": 1, "threads_per_worker": 1, "processes": False, "dashboard_address": ":0"}
    with devices(len(visible.split(","))) as machine:  # CUDA numbers those that it shows from 0
        with LocalCluster(**worker) as cluster, Client(cluster) as alone:
            swept(tmp_path / "gpu", backend="cupy", cluster=alone, **options)
        sweep_cluster._last.clear()
        used = {device for name, device, *_ in machine.launches if name == "gpustress_simulate"}
    assert used == {0}
    swept(tmp_path / "here", backend="native", **options)
    assert_same(tmp_path / "gpu", tmp_path / "here")


@pytest.mark.slow
@pytest.mark.parametrize("turn", range(2))
def test_workers_that_are_killed_are_replaced_and_their_shards_run_again(client, tmp_path, undisturbed, turn):
    killed = []

    def kill(state):
        """At the start, the worker that holds the question; then another whenever a shard is told of."""
        if len(killed) < 4 and state.event in ("progress", "note"):
            alive = pids(client)
            if alive:
                killed.append(alive[(turn + len(killed)) % len(alive)])
                os.kill(killed[-1], signal.SIGKILL)

    swept(tmp_path / "out", cluster=client, progress=kill)
    assert killed
    assert_same(tmp_path / "out", undisturbed)


def test_a_sweep_begun_on_one_machine_goes_on_on_a_cluster(client, tmp_path, undisturbed, monkeypatch):
    with monkeypatch.context() as patch:
        Finished(patch, 2, OSError(28, "No space left on device"))
        with pytest.raises(OSError, match="No space"):
            swept(tmp_path / "out")
    swept(tmp_path / "out", cluster=client)
    assert_same(tmp_path / "out", undisturbed)


def test_bad_input_that_a_worker_finds_is_told_as_here(client, tmp_path):
    with pytest.raises(InputError, match="too little for a shard"):
        swept(tmp_path / "out", cluster=client, memory="1MB")


def test_a_cluster_without_workers_is_told_of_and_waited_for(tmp_path, undisturbed, monkeypatch):
    """And of a worker's memory the amount that is enough is told for all of its threads together."""
    monkeypatch.setattr(sweep_cluster, "LOOK_SECONDS", 0.05)
    told = []
    options = {"n_workers": 0, "threads_per_worker": 2, "processes": False, "dashboard_address": ":0"}
    with LocalCluster(**options) as cluster, Client(cluster) as empty:

        def listen(state):
            told.append(state.message)
            if told.count(NO_WORKER) == 1 and state.message == NO_WORKER:
                assert not empty.nthreads()
                cluster.scale(1)

        rescue = threading.Timer(10.0, cluster.scale, [1])  # lest a fault here waits for ever
        rescue.start()
        swept(tmp_path / "out", cluster=empty, progress=listen)
        rescue.cancel()
        assert told.count(NO_WORKER) == 1
        assert_same(tmp_path / "out", undisturbed)
        enough = "1MB"
        for told_by in (
            "4 scenarios x effects ",
            "4 scenarios x effects in each of 2 tasks ",
        ):  # who asks, then a worker
            with pytest.raises(InputError, match=f"too little for a shard of {told_by}") as caught:
                swept(tmp_path / "little", cluster=empty, memory=enough)
            enough = re.search(r"at least ([\d.]+ \w+)", caught.value.problems[0].remedy)[1]
        swept(tmp_path / "little", cluster=empty, memory=enough)
    sweep_cluster._last.clear()


def test_what_travels_is_bytes_numbers_and_a_name(client, tmp_path, monkeypatch):
    sent = []
    submit = type(client).submit

    def watched(self, function, *arguments, **options):
        sent.append((function, arguments))
        return submit(self, function, *arguments, **options)

    monkeypatch.setattr(type(client), "submit", watched)
    swept(tmp_path / "out", cluster=client)
    questions = [arguments for function, arguments in sent if function is sweep_cluster.same]
    assert len(questions) == 1  # once, for all shards
    assert {type(value) for packed in questions for value in packed[0].values()} == {bytes}
    for function, (_, *rest) in sent[1:]:
        assert function is sweep_cluster.do_shard
        assert all(isinstance(each, str | int | dict) for each in rest)


def test_a_worker_that_sees_another_folder_or_version_refuses(tmp_path, monkeypatch):
    asked = question()
    digest, _ = asked.compile_all()
    mark = mark_of(asked.identity(digest))
    options = {"backend": "numpy", "threads": None, "devices": None, "memory": None}

    def fault():
        found = sweep_cluster.do_shard(asked.pack(), str(tmp_path), mark, 0, options)
        return found["faults"][0]["message"]

    assert "is not seen by a worker" in fault()
    SweepFolder(tmp_path, mark).claim({**asked.identity(digest), "seed": 99}, overwrite=False)
    assert "is another sweep's" in fault()
    monkeypatch.setattr(sweep_cluster, "versions", lambda: {"gpustress": "0.0.1"})
    assert "0.0.1" in fault()
