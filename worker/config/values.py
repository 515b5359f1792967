"""What values of the config may look like, each checked against the service's limits."""

from __future__ import annotations

import ipaddress
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from worker.personalize import limits


def arn_of(resource: str) -> AfterValidator:
    """Return a check that a value is the ARN of a campaign, recommender or filter."""

    def check(arn: str) -> str:
        form = f"arn:aws:personalize:REGION:ACCOUNT:{resource}/NAME"
        if len(arn) > limits.ARN_CHARS_MAX:
            raise ValueError(f"an ARN has at most {limits.ARN_CHARS_MAX} characters")
        if not limits.ARN_PATTERN.fullmatch(arn) or not arn.split(":", 5)[5].startswith(
            resource + "/"
        ):
            raise ValueError(f"is not a {resource} ARN; it looks like {form}")
        return arn

    return AfterValidator(check)


def _local(path: str) -> str:
    if "://" in path:
        raise ValueError(
            "must be a path of this machine; this version reads and writes local files"
        )
    if "\0" in path:
        raise ValueError("must have no NUL, which no path has")
    return path


def check_endpoint_url(url: str) -> str:
    """Return `url`; raise ValueError unless it names a host that can be called over HTTP."""
    parts = urlsplit(url)
    port = parts.port  # raises ValueError beyond 65535
    if parts.scheme not in ("http", "https") or not parts.hostname or port == 0:
        raise ValueError("is not an address such as http://127.0.0.1:8765")
    is_one_word = url.isprintable() and " " not in url
    if parts.username is not None or parts.query or parts.fragment or not is_one_word:
        raise ValueError("must have no user, query, fragment, space or line's end")
    return url


def is_on_loopback(url: str) -> bool:
    """Return whether the host of `url` is this machine: an emulator's, as a rule."""
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


Compression = Literal["zstd", "snappy", "gzip", "lz4", "none"]
LocalPath = Annotated[str, Field(min_length=1), AfterValidator(_local)]
FilterArn = Annotated[str, arn_of("filter")]
ContextKey = Annotated[str, StringConstraints(pattern=f"^{limits.CONTEXT_KEY_PATTERN.pattern}$")]
ContextValue = Annotated[str, StringConstraints(max_length=limits.CONTEXT_VALUE_CHARS_MAX)]
FilterKey = Annotated[str, StringConstraints(pattern=f"^{limits.FILTER_KEY_PATTERN.pattern}$")]
FilterValue = Annotated[str, StringConstraints(max_length=limits.FILTER_VALUE_CHARS_MAX)]
FilterValues = Annotated[dict[FilterKey, FilterValue], Field(max_length=limits.FILTER_VALUES_MAX)]
MetadataColumn = Annotated[
    str, StringConstraints(min_length=1, max_length=limits.METADATA_COLUMN_CHARS_MAX)
]
ColumnName = Annotated[str, StringConstraints(min_length=1)]
Share = Annotated[float, Field(ge=0, le=1)]


class Section(BaseModel):
    """A config section: frozen, and a typo in a key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True, allow_inf_nan=False)
