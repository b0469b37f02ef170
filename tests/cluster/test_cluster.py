"""Chunks trained elsewhere: the bits of one process, whatever is lost, and what kills is set aside."""

from __future__ import annotations

import os
import queue
import random
import re
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import psutil
import pytest
from typer.testing import CliRunner

from goodfit.cli.main import app
from goodfit.cluster import worker
from goodfit.cluster.adapter import Outcome, overdue
from goodfit.cluster.attempts import attempts_in_words
from goodfit.cluster.dask import DaskAdapter
from goodfit.cluster.packing import name_of, pack_problem, pack_result, pack_task, take_result, unpack_task
from goodfit.cluster.population import ATTEMPTS
from goodfit.cluster.train import on_adapter
from goodfit.engine.hardware import Hardware
from goodfit.engine.legs import Legs, Member
from goodfit.engine.population import Population
from goodfit.engine.snapshot import snapshot
from goodfit.errors import ClusterError
from goodfit.network import Network
from goodfit.recipe import Recipe
from goodfit.search.story import OUT
from goodfit.store.arrays import sha256_of
from goodfit.techniques.optimizers import SGD, Adam

RNG = np.random.default_rng(0)
X = RNG.normal(size=(300, 6)).astype(np.float32)
Y = (X[:, 0] * X[:, 1] > 0).astype(np.int32)
NETWORK = Network(6, 2)
ROWS = {
    "x": X[:200],
    "y": Y[:200],
    "weight": None,
    "holdout": (X[200:], Y[200:], np.ones((1, 100), np.float32)),
}
LEGS = Legs(40, 10)
CPU = Hardware("cpu", 1, None)


def members(n=10):
    """Members of two structures, one of which diverges."""
    recipes = [Recipe((16,), optimizer=Adam(lr=0.01 * (i + 1))) for i in range(n - 2)]
    recipes += [
        Recipe((16,), optimizer=Adam(lr=1e30)),
        Recipe((16, 16), optimizer=SGD(lr=0.1), batch_norm=True),
    ]
    return [Member(recipe, seed, horizon=80) for seed, recipe in enumerate(recipes)]


def bits(some):
    return [sha256_of(*snapshot(m)) if m.state is not None else "" for m in some]


@pytest.fixture(scope="module")
def expected():
    """What this process makes of the members after 40 and after 80 steps."""
    here, some = Population(NETWORK, **ROWS), members()
    here.advance(some, LEGS)
    first = bits(some)
    here.advance(some, Legs(80, 10))
    return first, bits(some)


class ThreadAdapter:
    """Tasks in threads of this process; ``spoil(task)`` names what becomes of an attempt instead."""

    def __init__(self, spoil=lambda task: None, threads=2, kind=CPU):
        self.spoil, self.threads, self.kind = spoil, threads, kind
        self.ended: queue.SimpleQueue = queue.SimpleQueue()
        self.current: dict[str, object] = {}
        self.submitted: list[str] = []

    def offer(self, problem, folder):
        self.problem, self.folder = problem, folder
        if folder is not None:
            worker.problem_file(folder, name_of(problem)).write_bytes(problem)
        worker.receive(problem)
        worker.rest(name_of(problem), False)

    def capacity(self):
        return self.threads

    def hardware(self):
        return self.kind

    def submit(self, name, task):
        assert name not in self.current
        self.submitted.append(name)
        mark = self.current[name] = object()
        threading.Thread(target=self.run, args=(name, task, mark), daemon=True).start()

    def run(self, name, task, mark):
        who, content, kind, text = "", None, self.spoil(task), "spoiled"
        if kind is None:
            try:
                kind, text = "done", ""
                who, content = worker.work(task, None if self.folder is None else str(self.folder))
            except Exception as error:
                kind, text = "error", str(error)
        self.ended.put((mark, Outcome(name, kind, content, text, who, 0.0)))

    def wait(self, seconds):
        try:
            mark, outcome = self.ended.get(timeout=seconds)
        except queue.Empty:
            return []
        if self.current.get(outcome.name) is not mark:
            return []
        del self.current[outcome.name]
        return [outcome]

    def cancel(self, name):
        self.current.pop(name, None)

    def until_ended(self, name):
        """Wait until the outcome of a task that is under way is there."""
        until = time.monotonic() + 60
        while time.monotonic() < until:
            waiting = [self.ended.get() for _ in range(self.ended.qsize())]
            for one in waiting:
                self.ended.put(one)
            if any(outcome.name == name for _, outcome in waiting):
                return
            time.sleep(0.02)
        raise AssertionError(name)

    def rest(self):
        worker.rest(name_of(self.problem), True)

    def close(self):
        pass


def population(adapter, folder=None, told=None):
    return on_adapter(adapter, NETWORK, folder, (told if told is not None else []).append, **ROWS)


# ---- packing ----


def test_a_task_is_named_by_what_it_is():
    one, other = (pack_task("p", members()[:3], LEGS, 4) for _ in range(2))
    assert one == other
    assert name_of(one) != name_of(pack_task("p", members()[:2], LEGS, 4))
    assert name_of(one) != name_of(pack_task("q", members()[:3], LEGS, 4))
    assert name_of(one) != name_of(pack_task("p", members()[:3], Legs(41, 10), 4))


def test_members_come_through_whole():
    some = members()[:3]
    some[0].rows, some[0].judged = np.arange(50), np.arange(20)
    Population(NETWORK, **ROWS).advance(some[:2], LEGS)
    found, legs, chunk = unpack_task(NETWORK, pack_task("p", some, LEGS, 4))
    assert (legs, chunk) == (LEGS, 4)
    assert bits(found) == bits(some)
    assert (found[0].rows == some[0].rows).all()
    assert found[2].state is None
    again = members()[:3]
    take_result(NETWORK, again, pack_result(found))
    assert bits(again) == bits(some)


def test_a_damaged_result_is_not_taken():
    some = members()[:1]
    Population(NETWORK, **ROWS).advance(some, LEGS)
    content = bytearray(pack_result(some))
    content[-1] ^= 1
    with pytest.raises(ValueError, match="altered"):
        take_result(NETWORK, members()[:1], bytes(content))


# ---- the population ----


@pytest.mark.parametrize("shared", [False, True])
def test_the_bits_are_those_of_one_process(tmp_path, expected, shared):
    there, some = population(ThreadAdapter(), tmp_path if shared else None), members()
    there.advance(some, LEGS)
    assert bits(some) == expected[0]
    there.advance(some, Legs(80, 10))
    assert bits(some) == expected[1]
    there.sweep()
    assert not list(tmp_path.glob("result-*"))


@pytest.mark.parametrize("seed", range(3))
def test_losses_on_the_way_change_nothing(tmp_path, expected, seed):
    rng = random.Random(seed)

    def spoil(task):
        return rng.choice(["lost", "oom", "timeout", None, None, None])

    told: list[str] = []
    there, some = population(ThreadAdapter(spoil), tmp_path, told), members()
    there.advance(some, LEGS)
    for member, bit in zip(some, expected[0], strict=True):
        assert member.failed or bits([member]) == [bit]
    assert len(told) == sum(bool(m.failed) for m in some)
    kinds = [one["kind"] for one in there.attempts.records()]
    assert kinds.count("done") >= sum(not m.failed for m in some) // 8


def test_a_folder_of_the_same_path_on_another_machine_is_left_alone(tmp_path, expected):
    adapter, some = ThreadAdapter(), members()
    there = population(adapter, tmp_path)
    worker.problem_file(adapter.folder, name_of(adapter.problem)).unlink()  # as if it were another's
    there.advance(some, LEGS)
    assert bits(some) == expected[0]
    assert not list(tmp_path.rglob("result-*"))


def test_an_innocent_among_many_losses_is_tried_on(tmp_path, expected):
    rng, lock = random.Random(0), threading.Lock()

    def spoil(task):
        with lock:
            return "lost" if rng.random() < 0.7 else None  # by no fault of the network's

    there, some = population(ThreadAdapter(spoil), tmp_path), members()
    there.advance(some, LEGS)
    assert bits(some) == expected[0]


def test_chunks_are_halved_where_a_worker_runs_out_of_memory(tmp_path):
    def spoil(task):
        return "oom" if unpack_task(NETWORK, task)[2] > 2 else None

    there, some, told = population(ThreadAdapter(spoil), tmp_path), members(), []
    there.on_halved = told.append
    there.advance(some, LEGS)
    here, same = Population(NETWORK, **ROWS, chunk=2), members()
    here.advance(same, LEGS)
    assert told == [2]
    assert bits(some) == bits(same)


def test_the_chunk_is_that_of_the_workers_devices(tmp_path):
    there, some = population(ThreadAdapter(kind=Hardware("gpu", 1, 2**30)), tmp_path), members()
    assert there.plan(some[0].recipe).chunk == 256
    there.advance(some, LEGS)
    here, same = Population(NETWORK, **ROWS, chunk=256), members()
    here.advance(same, LEGS)
    assert bits(some) == bits(same)


def test_what_kills_its_workers_is_set_aside_and_the_others_finish(tmp_path, expected):
    poison = members()[3]

    def spoil(task):
        return "lost" if any(m.seed == poison.seed for m in unpack_task(NETWORK, task)[0]) else None

    told: list[str] = []
    adapter = ThreadAdapter(spoil)
    there, some = population(adapter, tmp_path, told), members()
    there.advance(some, LEGS)
    assert [m.seed for m in some if m.failed] == [poison.seed]
    assert some[3].result.startswith("set aside: lost")
    assert some[3].result.startswith(OUT)
    assert len(told) == 1
    assert [b for b in bits(some) if b] == [b for i, b in enumerate(expected[0]) if i != 3]
    fatal = [one for one in there.attempts.records() if one["kind"] == "lost"]
    assert ATTEMPTS <= len(fatal) <= ATTEMPTS + 3
    before = len(adapter.submitted)
    there.advance(some, Legs(80, 10))  # it is not tried again
    assert all("set aside" not in m.result for m in some if m is not some[3])
    assert len(adapter.submitted) > before


class FrozenAtFirst(ThreadAdapter):
    """A worker that stands still from its first task on, until ``thaws`` is set."""

    def __init__(self, thaws, spoil=lambda task: None):
        super().__init__(spoil)
        self.thaws, self.froze = thaws, threading.Event()

    def run(self, name, task, mark):
        if not self.froze.is_set():
            self.froze.set()
            assert self.thaws.wait(60)
        super().run(name, task, mark)


def test_a_task_that_is_late_is_done_by_another_and_its_worker_keeps_it(tmp_path, expected, monkeypatch):
    monkeypatch.setattr("goodfit.cluster.population.LATE_LEAST", 0.3)
    monkeypatch.setattr("goodfit.cluster.population.LATE", 0.0)
    thaws = threading.Event()
    adapter, some = FrozenAtFirst(thaws), members()
    there = population(adapter, tmp_path)
    there.advance(some, LEGS)
    assert bits(some) == expected[0]
    first = adapter.submitted[0]
    assert adapter.submitted.count(f"{first} again") == 1
    assert set(adapter.current) == {first}
    assert there._places() == 1
    monkeypatch.setattr("goodfit.cluster.population.LATE_LEAST", 1000.0)
    thaws.set()
    adapter.until_ended(first)
    there.advance(some, Legs(80, 10))
    there.sweep()
    assert bits(some) == expected[1]
    assert [one["task"] for one in there.attempts.records() if one["kind"] == "late"] == [first]
    assert there._places() == 2
    assert "; 1 late, and done by another meanwhile." in attempts_in_words(tmp_path)
    assert not list(tmp_path.rglob("result-*"))


def test_a_late_task_that_fails_waits_for_its_other_attempt(tmp_path, expected, monkeypatch):
    monkeypatch.setattr("goodfit.cluster.population.LATE_LEAST", 0.3)
    monkeypatch.setattr("goodfit.cluster.population.LATE", 0.0)
    thaws = threading.Event()
    lock, seen = threading.Lock(), []

    def spoil(task):
        with lock:
            seen.append(name_of(task))
            if seen[-1] != adapter.submitted[0] or seen.count(seen[-1]) > 1:
                return None
            thaws.set()  # the second attempt is lost, and the first goes on
            return "lost"

    adapter, some = FrozenAtFirst(thaws, spoil), members()
    there = population(adapter, tmp_path)
    there.advance(some, LEGS)
    assert bits(some) == expected[0]
    assert not [one for one in there.attempts.records() if one["kind"] == "late"]


def test_results_left_by_workers_are_taken_after_a_kill(tmp_path, expected):
    first = population(ThreadAdapter(), tmp_path)
    first.advance(members(), LEGS)  # the study dies here: nothing of it is written down, nor swept
    adapter = ThreadAdapter()
    some = members()
    population(adapter, tmp_path).advance(some, LEGS)
    assert adapter.submitted == []
    assert bits(some) == expected[0]


def test_a_damaged_result_in_the_folder_is_made_again(tmp_path, expected):
    population(ThreadAdapter(), tmp_path).advance(members(), LEGS)
    damaged = sorted(tmp_path.rglob("result-*"))[0]
    damaged.write_bytes(damaged.read_bytes()[:-5])
    adapter, some = ThreadAdapter(), members()
    population(adapter, tmp_path).advance(some, LEGS)
    assert adapter.submitted == [damaged.name.removeprefix("result-")]
    assert bits(some) == expected[0]


def test_a_full_disk_at_the_worker_loses_nothing(tmp_path, expected, monkeypatch):
    from goodfit.errors import RunFolderError

    def full(path, data):
        raise RunFolderError("No space left on device.")

    monkeypatch.setattr(worker, "write_bytes", full)
    some = members()
    population(ThreadAdapter(), tmp_path).advance(some, LEGS)
    assert bits(some) == expected[0]


def test_stopping_lets_all_rest_where_they_stand():
    began = threading.Event()
    there, some = population(ThreadAdapter()), members()
    there.advance(some, Legs(100_000, 10), on_leg=lambda m: None, should_stop=lambda: began.set() or True)
    assert began.is_set()
    assert all(m.step < 100_000 for m in some)


def test_an_interrupt_asks_no_more():
    adapter = ThreadAdapter()

    def pressed():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        population(adapter).advance(
            members(), LEGS, should_stop=lambda: bool(adapter.submitted) and pressed()
        )
    assert adapter.current == {}


def test_attempts_are_told_in_words(tmp_path):
    assert attempts_in_words(tmp_path) == ""
    rng = random.Random(0)
    spoiled = ThreadAdapter(lambda task: rng.choice(["lost", None]))
    there = population(spoiled, tmp_path)
    there.advance(members(), LEGS)
    said = attempts_in_words(tmp_path)
    assert re.search(r" Now: \d tasks? under way, \d waiting; 2 threads of workers\.$", said)
    there.close()
    said = attempts_in_words(tmp_path)
    assert "Now" not in said
    assert "by 1 worker in" in said
    assert " lost, and tried again." in said


# ---- any adapter ----


def test_what_takes_too_long_is_overdue():
    now = time.monotonic()
    late = overdue([("a", now - 10), ("b", now)], 5)
    assert [(one.name, one.kind, one.text) for one in late] == [("a", "timeout", "longer than 5 s")]
    assert late[0].seconds >= 10


@pytest.fixture(scope="module")
def dask():
    adapter = DaskAdapter(workers=2)
    yield adapter
    adapter.close()


@pytest.fixture(scope="module")
def on_ray():
    os.environ["RAY_AUTH_MODE"] = "disabled"
    pytest.importorskip("ray")
    from goodfit.cluster.ray import RayAdapter

    with socket.socket() as some:
        some.bind(("127.0.0.1", 0))
        port = some.getsockname()[1]
    words = f"start --head --block --port {port} --num-cpus 2 --include-dashboard=false --disable-usage-stats"
    main = "from ray.scripts.scripts import main; main()"
    out = subprocess.DEVNULL
    head = subprocess.Popen([sys.executable, "-c", main, *words.split()], stdout=out, stderr=out)
    try:
        adapter = until_it_answers(RayAdapter, f"127.0.0.1:{port}")
        yield adapter
        adapter.close()
    finally:
        head.terminate()
        head.wait(30)


def until_it_answers(make, address, seconds=90):
    """Return what connects to a cluster that is about to begin."""
    until = time.monotonic() + seconds
    while True:
        try:
            return make(address)
        except ClusterError:
            if time.monotonic() > until:
                raise
            time.sleep(0.5)


@pytest.fixture(params=["threads", "dask", "on_ray"])
def adapter(request):
    return ThreadAdapter() if request.param == "threads" else request.getfixturevalue(request.param)


def until(adapter, n=1):
    found: list[Outcome] = []
    while len(found) < n:
        found += adapter.wait(60)
    return found


def test_an_adapter_runs_tasks_by_name(adapter):
    problem = pack_problem(NETWORK, ROWS)
    adapter.offer(problem, None)
    assert adapter.capacity() == 2
    some = members()[:2]
    task = pack_task(name_of(problem), some, LEGS, 4)
    adapter.submit("a", task)
    outcome = until(adapter)[0]
    if outcome.kind == "no data":  # a worker that has not had the rows is sent them
        adapter.submit("a", task)
        outcome = until(adapter)[0]
    assert (outcome.name, outcome.kind) == ("a", "done")
    assert outcome.worker.startswith("process ")
    take_result(NETWORK, some, outcome.content)
    assert [m.step for m in some] == [40, 40]
    assert adapter.wait(0.05) == []


def test_an_adapter_tells_what_was_raised(adapter):
    adapter.offer(pack_problem(NETWORK, ROWS), None)
    adapter.submit("b", b"no task")
    outcome = until(adapter)[0]
    assert (outcome.name, outcome.kind) == ("b", "error")
    assert outcome.text


def test_a_cancelled_task_is_heard_of_no_more(adapter):
    problem = pack_problem(NETWORK, ROWS)
    adapter.offer(problem, None)
    adapter.submit("c", pack_task(name_of(problem), members()[:1], LEGS, 4))
    adapter.cancel("c")
    assert adapter.wait(1.0) == []


@pytest.mark.parametrize("shared", [False, True])
def test_an_adapter_makes_the_bits_of_one_process(adapter, tmp_path, expected, shared):
    there, some = on_adapter(adapter, NETWORK, tmp_path if shared else None, print, **ROWS), members()
    there.advance(some, LEGS)
    assert bits(some) == expected[0]
    there.advance(some, Legs(80, 10))
    assert bits(some) == expected[1]


def test_an_adapter_lets_tasks_rest_where_they_stand(adapter, tmp_path):
    there = on_adapter(adapter, NETWORK, None, print, **ROWS)
    some = [Member(Recipe((16,), optimizer=Adam(lr=0.01)), seed, horizon=10**9) for seed in range(2)]
    began = time.monotonic()
    there.advance(some, Legs(10**9, 10), should_stop=lambda: time.monotonic() > began + 2)
    assert all(0 < m.step < 10**9 for m in some)
    assert time.monotonic() < began + 60


def busiest():
    """Return the process of a worker, of all begun from this one, that computes most now."""
    began = {p: sum(p.cpu_times()[:2]) for p in psutil.Process().children(recursive=True)}
    time.sleep(1.0)
    return max(began, key=lambda p: sum(p.cpu_times()[:2]) - began[p])


@pytest.mark.slow
@pytest.mark.parametrize("name", ["dask", "on_ray"])
def test_a_worker_that_is_killed_is_lost_and_another_takes_its_place(name, request, tmp_path, expected):
    adapter = request.getfixturevalue(name)
    problem = pack_problem(NETWORK, ROWS)
    adapter.offer(problem, None)
    long = Member(Recipe((16,), optimizer=Adam(lr=0.01)), 0, horizon=10**9)
    task = pack_task(name_of(problem), [long], Legs(10**9, 10), 4)
    adapter.submit("d", task)
    if adapter.wait(2.0):  # a worker that has not had the rows is sent them
        adapter.submit("d", task)
        time.sleep(2.0)
    busiest().kill()
    assert [(one.name, one.kind) for one in until(adapter)] == [("d", "lost")]
    some = members()
    on_adapter(adapter, NETWORK, tmp_path, print, **ROWS).advance(some, LEGS)
    assert bits(some) == expected[0]


# ---- the command line ----


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("--workers 0", "--workers"),
        ("--workers 1 --cluster tcp://127.0.0.1:1", "--cluster"),
        ("--cluster tcp://127.0.0.1:1", "No Dask scheduler answers"),
        ("--cluster ray:127.0.0.1:1", "No Ray cluster answers at 127.0.0.1:1"),
        ("--cluster ray:nonsense", "The address of a Ray cluster must be HOST:PORT or auto, got 'nonsense'"),
        ("--cluster nonsense", "nonsense is no scheduler file (FileNotFoundError)"),
        (f"--cluster {__file__}", "is no scheduler file (JSONDecodeError)"),
    ],
)
def test_a_cluster_that_cannot_be_used_is_said(tmp_path, monkeypatch, words, says):
    monkeypatch.setattr("goodfit.cluster.dask.CONNECT", 1)
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(app, ["fit", "iris", "--budget", "2 members", *words.split()])
    assert (done.exit_code, done.stdout) == (2, "")
    assert len(done.stderr.splitlines()) == 1
    assert says in done.stderr
    assert not list(Path(tmp_path).iterdir())


def test_no_worker_is_said(monkeypatch):
    class Lonely:
        status = "running"

        def wait_for_workers(self, n_workers, timeout):
            raise TimeoutError

        def close(self, timeout):
            pass

    monkeypatch.setattr("goodfit.cluster.dask._connect", lambda workers, address: (None, Lonely()))
    with pytest.raises(ClusterError, match="No worker"):
        DaskAdapter(address="tcp://127.0.0.1:1")
