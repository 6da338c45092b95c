"""Error messages of data sets on the Hub: one sentence each, with a way out."""

import contextlib
from collections.abc import Iterator

from mirnet.hub import hub_endpoint, hub_name, repository_problem

from .pairs import BenchmarkUnavailable


class HubErrors:
    """Error messages for one data set.

    Args:
        repo: Data set as 'org/name'.
        revision: Branch, tag or commit that was asked for.
    """

    def __init__(self, repo: str, revision: str) -> None:
        self.repo = repo
        self.asked = revision

    @contextlib.contextmanager
    def translated(self, name: str = "", under_way: bool = False) -> Iterator[None]:
        """Turn errors of the Hub's client into `BenchmarkUnavailable` with a way out.

        Args:
            name: Path of the file that is requested.
            under_way: Whether the Hub has answered for that file already.
        """
        from huggingface_hub import errors

        try:
            yield
        except BenchmarkUnavailable:
            raise
        except errors.OfflineModeIsEnabled as error:
            raise self.not_fetched(name or "it") from error
        except errors.LocalEntryNotFoundError as error:
            raise self.broke_off(name) from error
        except errors.EntryNotFoundError as error:
            raise self.no_file(name) from error
        except Exception as error:
            # Which HTTP library the others come from differs between releases of the client.
            if problem := repository_problem(error, self.repo, "dataset", self.asked):
                raise BenchmarkUnavailable(problem) from error
            if isinstance(error, errors.HfHubHTTPError):
                self.refuse_status(error.response.status_code, name or "the files")
            elif under_way:
                raise self.broke_off(name) from error
            raise self.unreachable() from error

    def refuse_status(self, status: int, name: str) -> None:
        """Raise the error for an HTTP status above 399."""
        if status in (401, 403):
            raise self.gated()
        if status >= 400:
            raise BenchmarkUnavailable(
                f"{hub_name()} answered with error {status} when asked for {name} of {self.repo}: "
                "try again later, or use what was fetched before (offline)."
            )

    def page(self) -> str:
        """Address of the data set's page."""
        return f"{hub_endpoint() or 'https://huggingface.co'}/datasets/{self.repo}"

    def gated(self) -> BenchmarkUnavailable:
        """Build the error for a data set whose terms must be accepted first."""
        return BenchmarkUnavailable(
            f"{self.repo} is gated: accept its terms at {self.page()}, run `hf auth login` and "
            "try again."
        )

    def no_file(self, name: str) -> BenchmarkUnavailable:
        """Build the error for a file that the data set lacks."""
        return BenchmarkUnavailable(
            f"{self.repo} has no file {name} at revision {self.asked!r}: look at {self.page()}."
        )

    def unreachable(self) -> BenchmarkUnavailable:
        """Build the error for a Hub that does not answer."""
        return BenchmarkUnavailable(
            f"{hub_name()} cannot be reached for {self.repo}: check the connection and try again, "
            "use what was fetched before (offline), or choose a benchmark in the repository."
        )

    def broke_off(self, name: str) -> BenchmarkUnavailable:
        """Build the error for a download that ended too early."""
        return BenchmarkUnavailable(
            f"The download of {name} from {self.repo} broke off: check the connection and try "
            "again; what arrived whole is kept."
        )

    def not_fetched(self, what: str) -> BenchmarkUnavailable:
        """Build the error for data that was never fetched and is requested offline."""
        return BenchmarkUnavailable(
            f"{self.repo}: {what} was not fetched before and the Hub is not asked (offline): go "
            "online once (unset HF_HUB_OFFLINE), or choose a benchmark in the repository."
        )
