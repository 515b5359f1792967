"""The config from its four sources: flag over environment over file over default.

The emulator's section takes time to import; it is looked at where there is one, or an error.
"""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from worker.config.booleans import booleans_for_numbers, model_of
from worker.config.model import Config, Target
from worker.config.rules import broken_rules
from worker.errors import ConfigError
from worker.personalize.operations import Operation

if TYPE_CHECKING:
    from worker.emulator.settings import EmulatorSettings

ENVIRONMENT_PREFIX = "PERSONALIZE_WORKER__"
CONFIG_BYTES_MAX = 1 << 20

_IN_TOML = {
    "model_type": "should be a table of keys",
    "dict_type": 'should be a table such as { KEY = "value" }',
    "tuple_type": "should be a list in brackets",
    "list_type": "should be a list in brackets",
    "float_type": "should be a number",
    "int_type": "should be a whole number",
}

_Model = TypeVar("_Model", bound=BaseModel)


def load_config(path: Path, *, settings: Sequence[str], environ: Mapping[str, str]) -> Config:
    """Read `path`, then lay the environment and the `section.key=VALUE` settings over it.

    Raises ConfigError with one line for each thing that is wrong.
    """
    values = _gather(path, settings, environ)
    source = _sources(path, settings, environ)
    config = _validate_config(values, source)
    if problems := [*booleans_for_numbers(values, Config), *broken_rules(config)]:
        raise _config_error(source, problems)
    return config


def load_emulator_settings(
    path: Path | None, *, settings: Sequence[str], environ: Mapping[str, str]
) -> EmulatorSettings:
    """Return the section `[emulator]` alone; its region is that of [target], if there is one."""
    values = _gather(path, settings, environ)
    source = _sources(path, settings, environ)
    section = values.get("emulator", {})
    if isinstance(section, dict) and "region" not in section and "target" in values:
        section = {**section, "region": _validate_config(values, source).target.region_name}
    from worker.config.schema import EmulatorSection

    return _validate(EmulatorSection, {"emulator": section}, source).emulator


def _validate_config(values: dict[str, Any], source: str) -> Config:
    own = {name: section for name, section in values.items() if name != "emulator"}
    try:
        config = Config.model_validate(own)
    except ValidationError:
        config = None
    if config is None or "emulator" in values:
        from worker.config.schema import ConfigFile

        whole = _validate(ConfigFile, values, source)
        config = config or whole
    return config


def _gather(
    path: Path | None, settings: Sequence[str], environ: Mapping[str, str]
) -> dict[str, Any]:
    values = _read_toml(path) if path else {}
    for name, text in sorted(environ.items()):
        if name.startswith(ENVIRONMENT_PREFIX):
            keys = name.removeprefix(ENVIRONMENT_PREFIX).lower().split("__")
            _lay(values, keys, text, source=f"environment variable {name}")
    for setting in settings:
        key, equals, text = setting.partition("=")
        if not equals or not key.strip():
            raise ConfigError(
                f"--set {setting!r} is not section.key=VALUE",
                hint="write for example --set rate.tps=200",
            )
        _lay(values, key.strip().split("."), text, source=f"--set {setting}")
    return values


def _validate(model: type[_Model], values: dict[str, Any], source: str) -> _Model:
    try:
        return model.model_validate(values)
    except ValidationError as error:
        problems = [_advice(detail, model) for detail in error.errors(include_url=False)]
        raise _config_error(source, problems) from None


def _sources(path: Path | None, settings: Sequence[str], environ: Mapping[str, str]) -> str:
    """Name all that a config was put together from: a mistake may be in any of them."""
    variables = [name for name in sorted(environ) if name.startswith(ENVIRONMENT_PREFIX)]
    over = [*variables, *(["--set"] if settings else [])]
    return str(path or "the configuration") + (f" with {', '.join(over)}" if over else "")


def _config_error(source: str, problems: Sequence[str]) -> ConfigError:
    listed = "".join(f"\n  {problem}" for problem in problems)
    return ConfigError(
        f"{source} is not valid:{listed}",
        hint="correct it there, or with --set section.key=VALUE; "
        "`personalize-worker schema` lists every key",
    )


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            text = file.read(CONFIG_BYTES_MAX + 1)
        if len(text) > CONFIG_BYTES_MAX:
            raise ConfigError(
                f"{path} is larger than {CONFIG_BYTES_MAX} bytes",
                hint="pass a TOML config, not data",
            )
        return tomllib.loads(text.decode())
    except OSError as error:
        raise ConfigError(
            f"cannot read the config {path}: {error.strerror}",
            hint="pass the path of a TOML file; configs/ has examples",
        ) from None
    except UnicodeDecodeError:
        raise ConfigError(
            f"{path} is not UTF-8 text", hint="pass a TOML config, not Parquet or another binary"
        ) from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(
            f"{path} is not TOML: {error}", hint='strings need quotes, as in region = "us-east-1"'
        ) from None


def _lay(values: dict[str, Any], keys: Sequence[str], text: str, *, source: str) -> None:
    """Put a TOML value, or else the text itself, at `keys`."""
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        value = text
    for key in keys[:-1]:
        values = values.setdefault(key, {})
        if not isinstance(values, dict):
            raise ConfigError(f"{source}: {key} is not a section", hint="see `schema` for the keys")
    values[keys[-1]] = value


def _advice(detail: ErrorDetails, root: type[BaseModel]) -> str:
    where = ".".join(str(part) for part in detail["loc"] if part != "[key]")
    match detail["type"]:
        case "extra_forbidden":
            return f"{where}: unknown key{_did_you_mean(detail['loc'], root)}"
        case "missing":
            return f"{where}: is missing{_example(where)}"
        case _:
            message = _plain(detail)
            is_shown = not isinstance(detail["input"], dict) and "credentials" not in detail["loc"]
            return f"{where}: {message}" + (f" (seen: {detail['input']!r})" if is_shown else "")


def _plain(detail: ErrorDetails) -> str:
    """Return what pydantic says, without its words for Python's types."""
    if advice := _IN_TOML.get(detail["type"]):
        return advice
    message = detail["msg"].removeprefix("Value error, ").replace(" after validation", "")
    return re.sub(r"^(Input|String|Tuple|List|Dictionary) should", "should", message)


def _example(where: str) -> str:
    if where == "target.operation":
        return f"; one of {', '.join(Operation)}"
    field = Target.model_fields.get(where.removeprefix("target."))
    return f": {field.description}" if field else ""


def _did_you_mean(location: tuple[int | str, ...], root: type[BaseModel]) -> str:
    """Name the nearest known key of the section that `location` is in."""
    model = root
    for part in location[:-1]:
        if isinstance(part, str):
            model = model_of(model.model_fields[part].annotation)
    known = list(model.model_fields)
    close = difflib.get_close_matches(str(location[-1]), known, n=1, cutoff=0.5)
    section = ".".join(str(part) for part in location[:-1])
    prefix = f"{section}." if section else ""
    return f"; did you mean {prefix}{close[0]}?" if close else f"; known: {', '.join(known)}"
