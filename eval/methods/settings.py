"""Settings of a method, checked and stored with a run."""

from pydantic import BaseModel, ConfigDict


class Settings(BaseModel):
    """Base of every method's settings; methods without any use it as it is."""

    model_config = ConfigDict(extra="forbid", frozen=True)
