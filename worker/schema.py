"""The config's JSON Schema, as editors read it."""

from typing import Any

from worker.config import Config


def config_schema() -> dict[str, Any]:
    """Return the schema (draft 2020-12) of a config file."""
    schema = Config.model_json_schema()
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}
