"""Settings of the program: flags of `python app.py` and environment variables, read once.

Every flag has an environment variable, MIRNET_ and its name; the flag takes precedence.
"""

import math
import os
import sys
from typing import Any

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, CliApp, SettingsConfigDict

from mirnet.errors import InvalidRequest
from mirnet.images.limits import MAX_PIXELS

from .api_keys import ApiKey, parse_keys
from .auth import Role, parse_login, parse_operator
from .photo_limits import PhotoLimits, parse_limits
from .proxies import LOOPBACK as LOOPBACK_NETWORKS
from .proxies import PRIVATE, parse_proxies

LOOPBACK = ("localhost", "127.0.0.1", "::1")
"""Host names by which this machine reaches itself."""
KEEP_HOURS = 2.0
"""Default age in hours at which uploads and results are deleted."""


class Settings(BaseSettings):
    """Restore photos in the browser with MIRNet."""

    model_config = SettingsConfigDict(
        env_prefix="MIRNET_",
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
        cli_prog_name="python app.py",
        cli_kebab_case=True,
        cli_implicit_flags=True,
        cli_hide_none_type=True,
        cli_avoid_json=True,
        hide_input_in_errors=True,
    )

    host: str | None = Field(None, description="address to listen on; this machine only by default")
    port: int | None = Field(
        None, ge=0, le=65535, description="port to listen on; 7860 or the next free one by default"
    )
    proxy: str | None = Field(
        None,
        description="ADDRESS,ADDRESS; proxies in front of the page, whose forwarded headers are "
        "believed",
    )
    share: bool = Field(False, description="ask for a public link")
    auth: SecretStr | None = Field(
        None, description="USER:PASSWORD; let in only visitors who know both"
    )
    max_pixels: int = Field(MAX_PIXELS, gt=0, description="largest photo, in pixels")
    keep_hours: float = Field(
        KEEP_HOURS, gt=0, description="delete uploads and results after so many hours"
    )
    output_cache_gb: float | None = Field(
        None,
        ge=0,
        allow_inf_nan=False,
        description="most disk, in GB, for restored pictures that evaluations may use again; 10 by "
        "default, 0 keeps none",
    )
    read_only: bool = Field(False, description="show stored evaluations, start none")
    operator: SecretStr | None = Field(
        None,
        description="USER:PASSWORD; who signs in at /operator to run, delete and download where "
        "others reach the page; better given in $MIRNET_OPERATOR, which other users of this "
        "machine do not see",
    )
    allow_runs: bool = Field(
        False,
        description="let visitors start small evaluations where others reach the page",
    )

    limits: str | None = Field(
        None,
        description="NAME=MEGAPIXELS,...; largest results by task or weights, 0 turns one off: "
        "sr-x4=8,denoise-v1=2",
    )
    api_keys: SecretStr | None = Field(
        None,
        description="NAME:KEY:ROLE,...; keys that programs send as X-API-Key, with the role "
        "viewer, runner or admin; better given in $MIRNET_API_KEYS",
    )
    journal: bool = Field(
        False, description="write a JSON line for each request, job and error to standard error"
    )

    @field_validator("limits")
    @classmethod
    def _are_limits(cls, value: str | None) -> str | None:
        parse_limits(value or "")
        return value

    @field_validator("api_keys")
    @classmethod
    def _are_keys(cls, value: SecretStr | None) -> SecretStr | None:
        parse_keys(value.get_secret_value() if value else "")
        return value

    @field_validator("proxy")
    @classmethod
    def _are_proxies(cls, value: str | None) -> str | None:
        parse_proxies(value or "")
        return value

    @field_validator("auth")
    @classmethod
    def _is_login(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            parse_login(value.get_secret_value())
        return value

    @field_validator("operator")
    @classmethod
    def _is_operator(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            parse_operator(value.get_secret_value())
        return value

    @field_validator("keep_hours")
    @classmethod
    def _is_finite(cls, value: float) -> float:
        if not math.isfinite(value):
            raise InvalidRequest("--keep-hours wants a number of hours")
        return value

    @property
    def login(self) -> tuple[str, str] | None:
        """Name and password of `--auth`."""
        return parse_login(self.auth.get_secret_value()) if self.auth else None

    @property
    def operator_login(self) -> tuple[str, str] | None:
        """Name and password of `--operator`."""
        return parse_operator(self.operator.get_secret_value()) if self.operator else None

    @property
    def photo_limits(self) -> PhotoLimits:
        """Limits of `--limits`."""
        return parse_limits(self.limits or "")

    @property
    def keys(self) -> tuple[ApiKey, ...]:
        """Keys of `--api-keys`."""
        return parse_keys(self.api_keys.get_secret_value() if self.api_keys else "")

    @property
    def on_space(self) -> bool:
        """Whether the program runs as a Hugging Face Space."""
        return "SPACE_ID" in os.environ

    @property
    def public_link(self) -> bool:
        """Whether to ask for a public link; a Space has one already."""
        return self.share and not self.on_space

    @property
    def address(self) -> str | None:
        """Host to listen on: `--host`, else Gradio's own variable; None for this machine only."""
        host = self.host or os.environ.get("GRADIO_SERVER_NAME") or ""
        return host.removeprefix("[").removesuffix("]") or None

    @property
    def server_name(self) -> str | None:
        """The address as Gradio takes it, which writes IPv6 ones as links do: "[::1]"."""
        return f"[{self.address}]" if self.address and ":" in self.address else self.address

    @property
    def alone(self) -> bool:
        """Whether only this machine reaches the page, without a proxy that forwards others."""
        return self.address in (None, *LOOPBACK) and not self.proxies

    @property
    def proxies(self) -> tuple[str, ...]:
        """Addresses and networks of trusted proxies, including those of share links and Spaces."""
        named = parse_proxies(self.proxy or "")
        if self.on_space:
            return (*named, *PRIVATE)
        return (*named, *LOOPBACK_NETWORKS) if self.share else named

    @property
    def everyone(self) -> Role:
        """Role of visitors who have not signed in; a named operator has to sign in as well."""
        if self.alone and self.operator is None:
            return "admin"
        return "runner" if self.allow_runs else "viewer"

    def permissions(self) -> str:
        """Permissions of other visitors in a sentence for the terminal; see `everyone`."""
        runs = "not start evaluations (--allow-runs)"
        if self.allow_runs:
            runs = "start small evaluations"
        signs = "signs in at /operator" if self.operator else "is nobody (--operator USER:PASSWORD)"
        return (
            f"Visitors may restore photos, look at results, vote and {runs}; the operator {signs}."
        )


def read_settings(arguments: list[str] | None = None) -> Settings:
    """Read flags and environment variables; a wrong one ends the program with exit code 2.

    Args:
        arguments: Command-line flags; None for those of this process.
    """
    try:
        return CliApp.run(Settings, cli_args=sys.argv[1:] if arguments is None else arguments)
    except InvalidRequest as error:
        message = str(error)
    except ValidationError as error:
        message = "; ".join(_sentence(one) for one in error.errors())
    sys.stderr.write(f"python app.py: error: {message}\n")
    raise SystemExit(2)


def _sentence(error: Any) -> str:
    name = str(error["loc"][0])
    return f"--{name.replace('_', '-')} (or MIRNET_{name.upper()}): {error['msg']}"
