"""The simulation of many machines, against cases that can be worked out by hand."""

import pytest

from eval.runs.store import RunStore
from mirnet.errors import InvalidRequest
from tests.bench.scaling import Inputs, _keeping, measured, simulate, table
from tests.support.runs_factory import write_run


def hours(inputs: Inputs, pictures: int, **options) -> list[float]:
    return [one.hours * 3600 for one in simulate(inputs, pictures, workers=1, **options)]


def test_a_machine_alone_starts_computes_and_stores():
    inputs = Inputs((2.0,), 10.0, 0.0, 0.0)
    alone, two, hundred = hours(inputs, 6, nodes=(1, 2, 100))
    assert (alone, two, hundred) == pytest.approx((22.0, 16.0, 12.0))
    last = simulate(inputs, 6, nodes=(1, 2), workers=1, dollars_hour=3600.0)[1]
    assert last.faster == pytest.approx(22 / 16) and last.busy == pytest.approx(12 / 32)
    assert last.dollars == pytest.approx(32.0)


def test_storing_is_hidden_until_it_bounds_the_run():
    inputs = Inputs((1.0,), 0.0, 0.1, 0.0)
    few, many = hours(inputs, 1000, nodes=(1, 1000))
    assert few == pytest.approx(1000.1)  # a worker has its next job before its result is stored
    assert many == pytest.approx(1 + 100)
    assert hours(Inputs((1.0,), 0.0, 0.0, 1e6), 1000, nodes=(1000,), megabits=8.0) == [
        pytest.approx(1 + 1000)
    ]


def test_a_worker_waits_where_its_results_are_not_stored():
    """It holds two jobs: the second is under way while the first is stored, and then it waits."""
    assert hours(Inputs((1.0,), 0.0, 5.0, 0.0), 3, nodes=(1,)) == [pytest.approx(1 + 15)]


def test_times_are_drawn_from_the_measured_ones():
    one, other = (
        hours(Inputs((1.0, 3.0), 0.0, 0.0, 0.0), 1000, nodes=(1,), seed=s)[0] for s in (0, 1)
    )
    assert one != other and 1800 < one < 2200


def test_results_are_stored_for_real_to_measure_it():
    seconds, size = _keeping()
    assert 0 < seconds < 60 and 10_000 < size < 10_000_000


def test_a_run_without_times_says_so(tmp_path):
    stored = RunStore(tmp_path).run(write_run(tmp_path, pairs=2).id)
    with pytest.raises(InvalidRequest, match="no times of 'nothing'"):
        measured(stored, "nothing")


def test_the_table_names_its_inputs():
    inputs = Inputs((2.0,), 10.0, 0.001, 2e6)
    text = table(inputs, simulate(inputs, 6, nodes=(1, 1000)))
    assert (
        "2.000 s a picture (1 measured), 10.0 s to start" in text and "1.0 ms and 2.00 MB" in text
    )
    assert text.splitlines()[-1].startswith("| 1,000 |")
