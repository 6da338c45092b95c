"""What a decoder in a process of its own may answer, however it was taken over."""

import os
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from mirnet.images.codecs import limited_process
from mirnet.images.codecs.limited_process import Unreadable, run_limited
from mirnet.images.limits import max_file_bytes

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")


@pytest.fixture
def program(tmp_path, monkeypatch):
    """Write a module that stands for a decoder; it finds its own process number in a file."""
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])

    def written(code: str) -> str:
        noted = (
            f"import os, sys, time; open({str(tmp_path / 'pid')!r}, 'w').write(str(os.getpid()))"
        )
        (tmp_path / "stand_in.py").write_text(f"{noted}\n{code}\n")
        return "stand_in"

    def ended() -> bool:
        try:
            os.kill(int((tmp_path / "pid").read_text()), 0)
        except ProcessLookupError:
            return True
        return False

    written.ended = ended
    return written


def test_an_answer_is_the_programs_output_whole(program):
    echo = program("sys.stdout.buffer.write(sys.argv[1].encode() + sys.stdin.buffer.read())")
    data = bytes(range(256)) * 20_000  # more than pipes hold
    assert run_limited(echo, data, 12) == b"12" + data
    assert run_limited(program("sys.stdout.write('unread')"), data, 12) == b"unread"
    silent = program("sys.stderr.write('a' * 10_000_000); sys.stdout.write('told')")
    assert run_limited(silent, b"", 12) == b"told"


@pytest.mark.parametrize("beyond", [0, 1])
def test_an_answer_has_as_many_bytes_as_so_many_pixels_can_need(program, beyond, monkeypatch):
    monkeypatch.setattr("mirnet.images.limits.MAX_OTHER_BYTES", 1000)
    most = max_file_bytes(10)
    assert most == 1080
    exact = program(f"sys.stdout.buffer.write(bytes({most + beyond}))")
    if beyond:
        with pytest.raises(Unreadable, match="too much"):
            run_limited(exact, b"", 10)
    else:
        assert run_limited(exact, b"", 10) == bytes(most)


def test_a_process_that_answers_without_end_is_ended(program):
    endless = program("while True: sys.stdout.buffer.write(bytes(1 << 20))")
    with pytest.raises(Unreadable, match="too much"):
        run_limited(endless, b"", 1)
    assert program.ended()


@pytest.mark.parametrize(
    "code",
    [
        "time.sleep(60)",
        "sys.stdout.write('told'); sys.stdout.flush(); os.close(1); time.sleep(60)",
        "import subprocess; subprocess.Popen(['sleep', '40'])",  # holds the pipes open
    ],
)
def test_a_process_has_so_much_time(program, code, monkeypatch):
    monkeypatch.setattr(limited_process, "PATIENCE", 1)
    monkeypatch.setattr(limited_process, "MAX_SECONDS", 4)
    started = time.monotonic()
    with pytest.raises(Unreadable):
        run_limited(program(code), b"", 1)
    assert time.monotonic() - started < 30 and program.ended()


def test_a_process_that_fails_gives_nothing(program):
    with pytest.raises(Unreadable, match="ended with 3"):
        run_limited(program("sys.stdout.write('told'); sys.stdout.flush(); sys.exit(3)"), b"", 1)
    with pytest.raises(Unreadable):
        run_limited("no_such_module", b"", 1)


def test_only_a_few_run_at_once(monkeypatch):
    running, most = [], []
    lock = threading.Lock()

    def run(*_):
        with lock:
            running.append(1)
            most.append(len(running))
        time.sleep(0.05)
        with lock:
            running.pop()
        return b""

    monkeypatch.setattr(limited_process, "_run", run)
    with ThreadPoolExecutor(12) as pool:
        list(pool.map(lambda _: run_limited("decoder", b"", 1), range(12)))
    assert max(most) == limited_process.MAX_AT_ONCE
