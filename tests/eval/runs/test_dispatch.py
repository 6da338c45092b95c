"""Jobs on machines that are lost and come back, without Ray."""

import multiprocessing
import pickle
from collections import Counter
from dataclasses import dataclass, field, replace
from types import SimpleNamespace

import pytest

from eval.data.pairs import BenchmarkUnavailable, Item, PairUnusable
from eval.data.reader_factory import open_benchmark
from eval.runs import dispatch as dispatching
from eval.runs import executors
from eval.runs.dispatch import Hello, WorkerLost, dispatch
from eval.runs.ray_cluster import RayCluster, RemoteWorker, pair_with_facts
from eval.runs.worker import Work, Worker
from mirnet.device import default_device
from mirnet.errors import InvalidRequest

JOBS = [(Item(f"{number}"), method) for number in range(6) for method in ("one", "two")]


@dataclass
class Machines:
    """Machines in simulated time: each answers its oldest call after a second."""

    events: dict[int, dict[int, str]] = field(default_factory=dict)
    """By second and worker: "killed" loses its jobs at once, "away" lets it not answer, "back"
    lets it answer again."""
    hellos: dict[int, Hello] = field(default_factory=dict)
    killers: tuple = ()
    """Jobs that end whatever worker does them."""
    strangers: tuple = ()
    """Workers whose machines have no pictures."""
    second: int = 0
    made: int = 0
    calls: dict[int, tuple] = field(default_factory=dict)
    answers: dict[int, object] = field(default_factory=dict)
    gone: set[int] = field(default_factory=set)
    done: Counter = field(default_factory=Counter)

    def _call(self, *call):
        self.made += 1
        self.calls[self.made] = call
        return self.made

    def hello(self, worker):
        return self._call(worker, None, None)

    def work(self, worker, job, pair):
        return self._call(worker, job, pair)

    def wait(self, references, seconds):
        for reference in references:
            if reference in self.answers:
                return reference
        self.second += 1
        for worker, event in self.events.get(self.second, {}).items():
            if event == "killed":
                self._lose(worker)
            (self.gone.discard if event == "back" else self.gone.add)(worker)
        for worker in {call[0] for call in self.calls.values()} - self.gone:
            reference = next(key for key, call in self.calls.items() if call[0] == worker)
            _, job, pair = self.calls[reference]
            if job in self.killers:
                self._lose(worker)
                continue
            self.answers[reference] = self._answer(worker, job, pair)
            del self.calls[reference]
        return None

    def _answer(self, worker, job, pair):
        if job is None:
            return self.hellos.get(worker, Hello(f"machine {worker}"))
        if worker in self.strangers and pair is None:
            return None
        self.done[worker] += 1
        return SimpleNamespace(job=job)

    def _lose(self, worker):
        for reference in [key for key, call in self.calls.items() if call[0] == worker]:
            del self.calls[reference]
            self.answers[reference] = WorkerLost()

    def answer(self, reference):
        found = self.answers.pop(reference)
        if isinstance(found, Exception):
            raise found
        return found


def results(machines: Machines, workers: int = 3, read_pair=lambda item: f"pair {item.id}"):
    works = dispatch(machines, workers, JOBS, read_pair, lambda: float(machines.second))
    return [work.job for work in works]


def once(found) -> bool:
    return Counter(found) == Counter(JOBS)


def test_every_job_is_done_once_and_all_machines_have_some():
    machines = Machines()
    assert once(results(machines)) and sorted(machines.done.values()) == [4, 4, 4]


def test_the_jobs_of_a_machine_that_dies_are_done_by_others_though_it_never_comes_back():
    """Ray keeps jobs for an actor that waits for a processor; the run would wait with it."""
    machines = Machines({3: {1: "killed"}})
    assert once(results(machines)) and machines.done[1] == 1


def test_a_machine_that_comes_back_goes_on():
    machines = Machines({2: {0: "killed", 1: "killed"}, 4: {0: "back"}})
    assert once(results(machines, 2)) and machines.done == {0: 12}


def test_a_machine_that_is_cut_off_and_back_in_time_loses_nothing():
    machines = Machines({2: {0: "away"}, 6: {0: "back"}})
    assert once(results(machines)) and machines.done[0] > 0


def test_a_run_ends_where_no_machine_answers():
    machines = Machines({3: {0: "killed", 1: "killed", 2: "killed"}})
    with pytest.raises(InvalidRequest, match="No machine of the cluster has answered"):
        results(machines)
    assert machines.second > dispatching.PATIENCE_SECONDS


def test_a_picture_that_ends_each_worker_is_named_and_those_beside_it_are_not_blamed():
    machines = Machines(killers=(JOBS[3],))
    with pytest.raises(InvalidRequest, match=f"two on 1 ended its worker {dispatching.MAX_TRIES}"):
        results(machines)


def test_pairs_are_sent_to_machines_that_do_not_have_them():
    read = []

    def read_pair(item):
        read.append(item.id)
        return f"pair {item.id}"

    machines = Machines(strangers=(2,))
    assert once(results(machines, read_pair=read_pair)) and machines.done[2] > 0
    assert 0 < len(read) < len(JOBS)


def test_a_pair_that_cannot_be_read_to_be_sent_is_marked_and_the_run_goes_on():
    def read_pair(item):
        if item.id in ("0", "5"):  # the first, and the last
            raise PairUnusable(f"Pair {item.id}: the target is damaged.")
        return f"pair {item.id}"

    machines = Machines(strangers=(0, 1, 2))
    works = list(dispatch(machines, 3, JOBS, read_pair, lambda: float(machines.second)))
    marked = [work.row for work in works if isinstance(work, Work)]
    assert {(row.pair, row.method) for row in marked} == {
        (pair, method) for pair in "05" for method in ("one", "two")
    }
    assert all(row.unusable_pair and "target is damaged" in row.error for row in marked)
    done = [work.job for work in works if not isinstance(work, Work)]
    assert Counter(done) == Counter(job for job in JOBS if job[0].id not in "05")


def test_a_machine_with_other_software_ends_the_run():
    machines = Machines(hellos={1: Hello("east (10.0.0.2)", "torch 2.8.0, now 2.9.0")})
    with pytest.raises(InvalidRequest, match=r"east \(10.0.0.2\).*other results: torch 2.8.0, now"):
        results(machines)


def test_what_a_worker_raises_ends_the_run():
    machines = Machines()
    machines._answer = lambda *_: BenchmarkUnavailable("gone")
    with pytest.raises(BenchmarkUnavailable, match="gone"):
        results(machines)


def test_the_page_uses_the_cluster_of_the_environment(tmp_path, monkeypatch):
    from eval.analysis.table_cache import TableCache
    from eval.app import run_job
    from eval.data.benchmarks import get_benchmark
    from eval.runs.executors import Executor, serial
    from eval.runs.runner import RunConfig, create_run
    from eval.runs.store import RunStore

    asked = []

    def executor(workers, address):
        asked.append((workers, address))
        return Executor(serial.work)

    monkeypatch.setattr("eval.runs.ray_cluster.ray_executor", executor)
    monkeypatch.setenv("MIRNET_RAY_ADDRESS", "10.0.0.1:6379")
    config = RunConfig(get_benchmark("mini-retouch"), ("identity",), n=1)
    stored = create_run(RunStore(tmp_path), config)
    run_job.execute_job(run_job.RunJob(stored, 1000.0, ""), TableCache(), lambda: False)
    assert stored.header().status == "done" and asked == [(None, "10.0.0.1:6379")]


# ---------------------------------------------------------------- several GPUs


@pytest.mark.parametrize(
    ("setting", "gpus", "expected"),
    [
        ("", 0, ["cpu", "cpu", "cpu"]),
        ("", 1, ["cuda", "cuda", "cuda"]),
        ("", 2, ["cuda:0", "cuda:1", "cuda:0"]),
        ("cuda:1", 2, ["cuda:1", "cuda:1", "cuda:1"]),
        ("cpu", 2, ["cpu", "cpu", "cpu"]),
        ("mps", 0, ["mps", "mps", "mps"]),
    ],
)
def test_workers_take_the_gpus_of_a_machine_in_turn(setting, gpus, expected, monkeypatch):
    monkeypatch.setenv("MIRNET_DEVICE", setting)
    monkeypatch.setattr("torch.cuda.is_available", lambda: gpus > 0)
    monkeypatch.setattr("torch.cuda.device_count", lambda: gpus)
    assert executors.worker_devices(3) == expected


def test_a_worker_process_computes_on_the_device_that_it_was_given(monkeypatch):
    devices = multiprocessing.get_context("spawn").SimpleQueue()
    monkeypatch.setenv("MIRNET_DEVICE", "")
    monkeypatch.setattr(executors, "Worker", lambda spec: default_device())
    for name in ("cuda:0", "cuda:1"):
        devices.put(name)
    for name in ("cuda:0", "cuda:1"):
        executors._begin(None, devices)
        assert executors._worker == name


@pytest.mark.parametrize(("device", "gpus"), [("cuda", 1), ("cpu", 0), ("mps", 0)])
def test_an_actor_gets_a_gpu_where_the_run_is_made_on_one(device, gpus):
    asked = {}

    def remote(**options):
        asked.update(options)
        return lambda kind: SimpleNamespace(remote=lambda *given: kind)

    here = SimpleNamespace(device=device)
    cluster = RayCluster(SimpleNamespace(remote=remote), None, None, here, 2)
    assert asked["num_gpus"] == gpus and len(cluster.actors) == 2


# ---------------------------------------------------------------- a worker elsewhere


@pytest.fixture
def spec(tmp_path):
    from eval.data.benchmarks import get_benchmark
    from eval.methods.registry import get_method
    from eval.runs.output_cache import OutputCache
    from eval.runs.worker import WorkerSpec

    benchmark = get_benchmark("mini-denoise")
    methods = (get_method("identity", "denoise").info,)
    cache = OutputCache(tmp_path / "cache")
    return WorkerSpec(benchmark, None, True, "denoise", methods, ("rgb",), cache)


def test_a_worker_uses_the_cache_only_where_it_is_the_same_folder(spec, tmp_path):
    from eval.runs.ray_cluster import _marked

    mark = _marked(spec.cache)
    assert mark is not None and mark.parent == spec.cache.folder
    assert RemoteWorker(spec, mark, None).spec.cache == spec.cache
    mark.unlink()
    assert RemoteWorker(spec, mark, None).spec.cache is None
    assert RemoteWorker(spec, None, None).spec.cache is None


def test_a_worker_compares_software_and_weights_with_those_of_the_run(spec):
    from eval.runs.environment import environment

    here = environment()
    assert RemoteWorker(spec, None, here).hello().trouble == ""
    packages = here.packages | {"torch": "1.0.0"}
    other = RemoteWorker(spec, None, here.model_copy(update={"packages": packages}))
    assert other.hello().trouble.startswith("torch 1.0.0, now ")
    changed = spec.methods[0].model_copy(update={"weights_sha256": "0" * 64})
    wrong = replace(spec, methods=(changed,))
    assert "weights identity are others" in RemoteWorker(wrong, None, here).hello().trouble
    missing = replace(spec, methods=(changed.model_copy(update={"id": "nowhere"}),))
    assert "nowhere" in RemoteWorker(missing, None, here).hello().trouble


def test_a_pair_that_is_sent_with_every_method_is_measured_once(spec, monkeypatch):
    measured = []
    monkeypatch.setattr(
        "eval.runs.worker.measure", lambda pair: measured.append(pair.id) or {"seen": 1.0}
    )
    reader = open_benchmark(spec.benchmark)
    worker = RemoteWorker(replace(spec, cache=None), None, None)
    items = reader.items()[:2]
    for item in items:
        pair = reader.load(item)
        for method in (spec.methods[0].id, spec.methods[0].id):
            assert worker.work(item, method, pair).facts == {"seen": 1.0}
    assert measured == [item.id for item in items]


def test_a_worker_without_the_folder_takes_pairs_as_they_come(spec, tmp_path):
    reader = open_benchmark(spec.benchmark)
    item = reader.items()[0]
    here = RemoteWorker(replace(spec, cache=None), None, None).work(item, "identity")
    source = spec.benchmark.source.model_copy(update={"folder": str(tmp_path / "not here")})
    for gone in (
        replace(spec, folder=tmp_path / "not here", cache=None),
        replace(spec, benchmark=spec.benchmark.model_copy(update={"source": source}), cache=None),
    ):
        elsewhere = RemoteWorker(gone, None, None)
        assert elsewhere.work(item, "identity") is None
        found = elsewhere.work(item, "identity", reader.load(item))
        assert found.row.scores == here.row.scores and found.pictures == here.pictures


def test_the_facts_of_a_pair_that_is_sent_are_those_of_its_source_and_of_its_pictures(
    spec, tmp_path, monkeypatch
):
    reader = open_benchmark(spec.benchmark)
    item, loaded, load = reader.items()[0], [], reader.load
    monkeypatch.setattr(reader, "load", lambda item: loaded.append(item) or load(item))
    read = pair_with_facts(reader)
    sent = pickle.loads(pickle.dumps(read(item)))
    assert read(item) is read(item) and len(loaded) == 1  # for all methods of a pair
    gone = replace(spec, folder=tmp_path / "not here", cache=None)
    here = RemoteWorker(replace(spec, cache=None), None, None).work(item, "identity")
    found = RemoteWorker(gone, None, None).work(item, "identity", sent)
    assert "Poisson-Gaussian" in found.facts["degradation"] and found.facts["noise_sigma"] > 1
    assert found.facts == here.facts


def test_a_pair_that_could_not_be_fetched_is_fetched_when_asked_for_again(spec, monkeypatch):
    worker = Worker(replace(spec, cache=None))
    first, second, *_ = worker.reader.items()
    assert worker.pair(first).id == first.id
    load = worker.reader.load

    def fail(item):
        raise BenchmarkUnavailable("The Hub does not answer.")

    monkeypatch.setattr(worker.reader, "load", fail)
    with pytest.raises(BenchmarkUnavailable, match="does not answer"):
        worker.pair(second)
    monkeypatch.setattr(worker.reader, "load", load)
    assert worker.pair(first).id == first.id  # the pair before it is not held any more
