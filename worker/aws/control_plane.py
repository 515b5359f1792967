"""The campaign's provisioned TPS, from the control plane: the default of `rate.tps`."""

from __future__ import annotations

import dataclasses
import math
from typing import Any
from urllib.parse import urlsplit

import orjson
from botocore import exceptions as aws
from botocore.parsers import ResponseParserError

from worker.aws.access import Access
from worker.aws.login import Login
from worker.aws.redact import redacted
from worker.aws.sdk_exceptions import CREDENTIAL_ERRORS, no_credentials, service_failure
from worker.config.model import Target
from worker.errors import RefusedError, StoppedError
from worker.personalize.error_codes import Verdict, judge, refused

_TIMEOUT_S = 10.0
_ATTEMPTS_MAX = 5  # Describe calls share a small quota with everybody else in the account
_EVENT = "before-parse.personalize"
# Where the two kinds of target have it, in an answer of the service.
_CAMPAIGN = ("campaign", "minProvisionedTPS")
_RECOMMENDER = ("recommender", "recommenderConfig", "minRecommendationRequestsPerSecond")


async def provisioned_tps(login: Login, target: Target) -> float:
    """Return minProvisionedTPS, or a recommender's minRecommendationRequestsPerSecond.

    Source: botocore model personalize 2018-05-22, DescribeCampaign and DescribeRecommender.
    """
    from worker.aws.client import open_client  # slow to import, and most runs name their rate

    body = _Body()
    try:
        async with open_client(
            "personalize",
            login,
            endpoint=control_endpoint(login.access),
            timeout_s=_TIMEOUT_S,
            attempts_max=_ATTEMPTS_MAX,
        ) as client:
            client.meta.events.register(_EVENT, body.keep)
            if target.campaign_arn:
                await client.describe_campaign(campaignArn=target.campaign_arn)
            else:
                await client.describe_recommender(recommenderArn=target.recommender_arn)
    except aws.ClientError as error:
        failure = service_failure(error.response)
        if judge(failure) in (Verdict.THROTTLED, Verdict.TRANSIENT):
            raise StoppedError(
                f"the provisioned TPS cannot be asked for now: {failure.code}: {failure.message}",
                hint="run the same command again, or set rate.tps",
            ) from None
        is_login = judge(failure) in (Verdict.EXPIRED, Verdict.SKEWED)
        raise RefusedError(
            f"cannot ask for the provisioned TPS: {failure.code}: {failure.message}",
            hint=refused(failure).hint
            if is_login
            else "check the ARN and the permission personalize:Describe*, or set rate.tps",
        ) from None
    except CREDENTIAL_ERRORS as error:
        raise no_credentials(error) from None
    except (aws.BotoCoreError, ResponseParserError) as error:
        raise StoppedError(
            "rate.tps is not set, and the provisioned TPS cannot be asked for: "
            f"{redacted(str(error))}",
            hint="run the same command again, or set rate.tps",
        ) from None
    return tps_in(body.content, _path(target))


def rate_name(target: Target) -> str:
    """Return what the service calls the rate of a campaign, or of a recommender."""
    return _path(target)[-1]


def _path(target: Target) -> tuple[str, ...]:
    return _CAMPAIGN if target.campaign_arn else _RECOMMENDER


def control_endpoint(access: Access) -> Access:
    """Return how the control plane is reached.

    An endpoint of one's own for the runtime does not serve it, but an emulator does, and so may the
    host that the files or variables of the SDK name.
    """
    url = access.control_url or (access.endpoint_url if access.is_loopback else None)
    is_same_host = bool(url) and urlsplit(url).hostname == urlsplit(access.endpoint_url).hostname
    ca_bundle = access.ca_bundle if is_same_host else None
    return dataclasses.replace(access, endpoint_url=url, ca_bundle=ca_bundle)


def tps_in(body: bytes, path: tuple[str, ...]) -> float:
    """Return the number at `path` in an answer; raise RefusedError where there is none."""
    try:
        value: Any = orjson.loads(body)
    except ValueError:
        value = None
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not 0.0 < value < math.inf:
        raise RefusedError(
            f"cannot ask for the provisioned TPS: the answer has no {'.'.join(path)}, so it is not "
            "that of Personalize",
            hint="set rate.tps, or check AWS_ENDPOINT_URL_PERSONALIZE and target.endpoint_url",
        )
    return float(value)


class _Body:
    """Takes an answer's body before the SDK parses it: the parser trusts in its shape."""

    def __init__(self) -> None:
        self.content = b""

    def keep(self, response_dict: dict[str, Any], **_: Any) -> None:
        """Give the SDK an empty object in place of a result, or of an error that is none."""
        body = response_dict["body"]
        if response_dict["status_code"] < 300:
            self.content, response_dict["body"] = body, b"{}"
        elif not _is_error(body):
            response_dict["body"] = b"{}"


def _is_error(body: bytes) -> bool:
    try:
        error = orjson.loads(body)
    except ValueError:
        return False
    return isinstance(error, dict) and all(isinstance(value, str) for value in error.values())
