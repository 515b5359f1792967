"""A session of botocore that starts soon: it looks at one service alone, until it needs others."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Collection, Iterator
from contextlib import suppress
from functools import partial
from typing import Any

import orjson
from botocore.config import Config as ClientConfig

from worker.aws._config import open_config
from worker.aws.access import Access

SERVICE = "personalize-runtime"
_ISSUER_S_MAX = 10.0  # of a request to who issues credentials


def open_session(access: Access, *, obeys_environment: bool) -> Any:
    """Return a session of botocore that makes clients for `access`."""
    session = open_config(access.profile, obeys_environment=obeys_environment)
    # As in aioboto3.Session(region_name=...): credentials of a role are asked for there.
    session.set_config_variable("region", access.region)
    bounds = ClientConfig(connect_timeout=_ISSUER_S_MAX, read_timeout=_ISSUER_S_MAX)
    session.set_default_client_config(bounds)
    _look_at_one_service(session.get_component("data_loader"))
    return session


def _look_at_one_service(loader: Any) -> None:
    """Start 40 ms earlier: the SDK would look through its folders of all other services, twice.

    Credentials may come from another service (STS, IAM Identity Center): it is found as ever.
    """
    list_all = loader.list_available_services
    loader.list_available_services = lambda type_name: _Services(partial(list_all, type_name))
    loader.file_loader.load_file = _load_file


class _Services(Collection[str]):
    """The names of the SDK's services, which are looked up for any but the one."""

    def __init__(self, list_all: Callable[[], list[str]]) -> None:
        self._list_all = list_all  # remembers what it found

    def __contains__(self, name: object) -> bool:
        return name == SERVICE or name in self._list_all()

    def __iter__(self) -> Iterator[str]:
        return iter(self._list_all())

    def __len__(self) -> int:
        return len(self._list_all())


def _load_file(name: str) -> Any:
    """Return what the JSON file of that name, without its ending, holds; None when there is none.

    As the SDK does, in a third of the time.
    """
    for ending, open_file in ((".json", open), (".json.gz", gzip.open)):
        with suppress(FileNotFoundError), open_file(name + ending, "rb") as file:
            return orjson.loads(file.read())
    return None
