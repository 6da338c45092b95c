"""Settings of a method, checked and stored with a run."""

from pydantic import BaseModel, ConfigDict


class Settings(BaseModel):
    """Base class of settings; used directly by methods that have none."""

    model_config = ConfigDict(extra="forbid", frozen=True)
