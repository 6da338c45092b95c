"""The lock on the processor: nobody starves, whoever has had least is next."""

import threading
import time

import pytest

from mirnet.restoration.compute_lock import ComputeUsage, FairLock


def turns_taken(lock, seconds):
    """How often a thread gets a lock that it always wants, for each time it holds it."""
    taken = [0] * len(seconds)
    over = threading.Event()

    def want(index):
        share = ComputeUsage()
        while not over.is_set():
            with lock.hold(share):
                time.sleep(seconds[index])
                taken[index] += 1

    threads = [threading.Thread(target=want, args=(index,)) for index in range(len(seconds))]
    for thread in threads:
        thread.start()
    time.sleep(1.2)
    over.set()
    for thread in threads:
        thread.join(20)
    assert not lock.locked()
    return taken


def test_threads_that_want_the_lock_again_at_once_take_turns():
    taken = turns_taken(FairLock(), [0.004] * 3)
    assert min(taken) > 5 and max(taken) <= 1.5 * min(taken) + 3


def test_whoever_holds_it_longer_gets_it_less_often():
    long, *short = turns_taken(FairLock(), [0.06] + [0.005] * 3)
    assert long >= 3  # it does not starve
    assert min(short) > 2 * long


def test_a_share_that_comes_anew_is_next():
    lock, order = FairLock(), []
    old = ComputeUsage(virtual_finish=100.0)  # has had much

    def take(name, share):
        with lock.hold(share):
            order.append(name)

    with lock.hold(ComputeUsage()):
        threads = [
            threading.Thread(target=take, args=("old", old)),
            threading.Thread(target=take, args=("new", ComputeUsage())),
        ]
        for thread in threads:
            thread.start()
            while len(lock._waiting) < threads.index(thread) + 1:
                time.sleep(0.001)
    for thread in threads:
        thread.join(20)
    assert order == ["new", "old"]


def test_an_error_lets_go_of_the_lock():
    lock = FairLock()
    with pytest.raises(ZeroDivisionError), lock.hold(ComputeUsage()):
        raise ZeroDivisionError
    assert not lock.locked()


def test_waiting_is_counted_apart_from_holding():
    lock, share = FairLock(), ComputeUsage()
    with lock.hold(ComputeUsage()):
        waiter = threading.Thread(target=lambda: lock.hold(share).__enter__())
        waiter.start()
        while not lock._waiting:
            time.sleep(0.01)
        time.sleep(0.2)
    waiter.join()
    assert share.waited >= 0.2
