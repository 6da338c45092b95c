"""Builds a `Method` from a baseline of the table."""

from functools import partial

from mirnet.files import file_sha256
from mirnet.images.picture import Picture
from mirnet.tasks import Task

from .baselines import BASELINES, Baseline
from .method import Method, Output, Restorer, checked, checked_settings, versions_of
from .method_record import MethodRecord
from .settings import Settings


def baseline_method(baseline: Baseline, task: Task, given: dict) -> Method:
    """Make a method of a baseline.

    Raises:
        InvalidRequest: The settings are invalid, or an optional package lacks the network that they
            name.
    """
    settings = checked_settings(baseline.settings, given, baseline.id)
    file = baseline.weights(settings) if baseline.weights else None
    info = MethodRecord(
        id=baseline.id,
        title=baseline.title,
        kind="baseline",
        settings=settings.model_dump(),
        weights_sha256=file_sha256(file) if file else None,
        packages=versions_of(baseline.packages),
    )
    return Method(info, partial(_load_baseline, baseline.id, task, settings))


def _load_baseline(baseline_id: str, task: Task, settings: Settings) -> Restorer:
    def run(picture: Picture, size: tuple[int, int]) -> Output:
        return Output(BASELINES[baseline_id].run(picture, size, settings))

    return checked(baseline_id, task, run)
