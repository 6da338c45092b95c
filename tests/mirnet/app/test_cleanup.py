"""What the removal of old files removes, and by which clock."""

import time
from types import SimpleNamespace

import pytest

from mirnet.app import cleanup
from mirnet.app.cleanup import Sweeper

HOUR = 3600.0


@pytest.fixture
def clocks(monkeypatch):
    """`pass_by` moves both clocks, `wall` is added to the one that anybody may set."""
    real = time.time
    state = SimpleNamespace(passed=0.0, wall=0.0)
    monkeypatch.setattr(cleanup, "steady_seconds", lambda: 1000.0 + state.passed)
    monkeypatch.setattr(
        cleanup, "time", SimpleNamespace(time=lambda: real() + state.passed + state.wall)
    )

    def pass_by(seconds: float, wall: float = 0.0) -> None:
        state.passed += seconds
        state.wall += wall

    return pass_by


def uploaded(folder, name="photo.png"):
    path = folder / name.partition(".")[0].encode().hex() / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"private")
    return path


@pytest.mark.parametrize("step", [0, 24 * HOUR, -72 * HOUR])
def test_files_live_as_long_as_promised_whoever_sets_the_clock(tmp_path, clocks, step):
    sweeper = Sweeper(tmp_path)
    early = uploaded(tmp_path, "early.png")
    clocks(0.5 * HOUR)
    assert sweeper.sweep(600, 2 * HOUR) == 0
    clocks(0.1 * HOUR, wall=step)
    assert sweeper.sweep(600, 2 * HOUR) == 0 and early.exists()
    clocks(1.3 * HOUR)
    assert sweeper.sweep(600, 2 * HOUR) == 0 and early.exists()
    clocks(0.2 * HOUR)
    sweeper.sweep(600, 2 * HOUR)
    assert not early.exists()


def test_a_photo_that_is_sent_again_lives_anew(tmp_path, clocks):
    sweeper = Sweeper(tmp_path)
    path = uploaded(tmp_path)
    clocks(1.9 * HOUR)
    sweeper.sweep(600, 2 * HOUR)
    again = tmp_path / "tmpabc"
    again.write_bytes(b"private")
    again.rename(path)  # as Gradio moves an upload; the time of the move is that of the file
    clocks(0.2 * HOUR)
    assert sweeper.sweep(600, 2 * HOUR) == 0 and path.exists()
    clocks(2 * HOUR)
    sweeper.sweep(600, 2 * HOUR)
    assert not path.exists()


def test_an_interrupted_upload_goes_by_its_last_byte(tmp_path, clocks):
    sweeper = Sweeper(tmp_path)
    part = tmp_path / "tmpabc"
    part.write_bytes(b"half")
    clocks(500)
    assert sweeper.sweep(600, 2 * HOUR) == 0
    clocks(50, wall=-HOUR)
    assert sweeper.sweep(600, 2 * HOUR) == 0
    clocks(100)
    assert sweeper.sweep(600, 2 * HOUR) == 1 and not part.exists()


def test_no_empty_folder_is_left_of_a_photo(tmp_path, clocks):
    """Each upload has one of its own: a million of them take 4 GB and every sweep's time."""
    sweeper = Sweeper(tmp_path)
    path, of_the_page = uploaded(tmp_path), uploaded(tmp_path, "shown.png")
    deep = tmp_path / "a" / "b"
    deep.mkdir(parents=True)
    for _ in range(10):
        clocks(HOUR)
        sweeper.sweep(600, 2 * HOUR, {str(of_the_page)})
    assert sorted(tmp_path.rglob("*")) == [of_the_page.parent, of_the_page]
    assert not path.parent.exists() and tmp_path.exists()


def test_a_folder_that_an_upload_has_just_made_stays(tmp_path, clocks):
    sweeper = Sweeper(tmp_path)
    (tmp_path / "new").mkdir()
    clocks(5)
    assert sweeper.sweep(600, 2 * HOUR) == 0 and (tmp_path / "new").is_dir()


def test_the_steady_clock_goes_on():
    before = cleanup.steady_seconds()
    assert 0 <= cleanup.steady_seconds() - before < 60
