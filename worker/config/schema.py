"""A whole config file, the emulator's section too, and its JSON Schema, as editors read it."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, Field

from worker.config.model import Config
from worker.emulator.settings import EmulatorSettings


class EmulatorSection(BaseModel):
    """The section that only the emulator reads."""

    emulator: EmulatorSettings = Field(default_factory=EmulatorSettings)


class ConfigFile(EmulatorSection, Config):
    """Config of personalize-worker."""


def config_schema() -> dict[str, Any]:
    """Return the schema (draft 2020-12) of a config file."""
    schema = ConfigFile.model_json_schema()
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}
