"""The campaign's provisioned TPS, from the control plane: the default of `rate.tps`."""

from __future__ import annotations

import dataclasses

from botocore import exceptions as aws

from worker.aws.access import Access
from worker.aws.errors import CREDENTIAL_ERRORS, no_credentials, service_failure
from worker.config.model import Target
from worker.errors import RefusedError, StoppedError
from worker.personalize.error_codes import Verdict, judge

_TIMEOUT_S = 10.0
_ATTEMPTS_MAX = 5  # Describe calls share a small quota with everybody else in the account


async def provisioned_tps(access: Access, target: Target) -> float:
    """Return minProvisionedTPS, or a recommender's minRecommendationRequestsPerSecond.

    Source: botocore model personalize 2018-05-22, DescribeCampaign and DescribeRecommender.
    """
    if not access.is_loopback:
        # An endpoint of one's own for the runtime does not serve the control plane; AWS's does.
        access = dataclasses.replace(access, endpoint_url=None, ca_bundle=None)
    from worker.aws.client import open_client  # slow to import, and most runs name their rate

    try:
        async with open_client(
            "personalize", access, timeout_s=_TIMEOUT_S, attempts_max=_ATTEMPTS_MAX
        ) as client:
            if target.campaign_arn:
                answer = await client.describe_campaign(campaignArn=target.campaign_arn)
                return float(answer["campaign"]["minProvisionedTPS"])
            answer = await client.describe_recommender(recommenderArn=target.recommender_arn)
            config = answer["recommender"]["recommenderConfig"]
            return float(config["minRecommendationRequestsPerSecond"])
    except aws.ClientError as error:
        failure = service_failure(error.response)
        if judge(failure) in (Verdict.THROTTLED, Verdict.TRANSIENT):
            raise StoppedError(
                f"the provisioned TPS cannot be asked for now: {failure.code}: {failure.message}",
                hint="run the same command again, or set rate.tps",
            ) from None
        raise RefusedError(
            f"cannot ask for the provisioned TPS: {failure.code}: {failure.message}",
            hint="check the ARN and the permission personalize:Describe*, or set rate.tps",
        ) from None
    except CREDENTIAL_ERRORS as error:
        raise no_credentials(error) from None
    except aws.BotoCoreError as error:
        raise StoppedError(
            f"rate.tps is not set, and the provisioned TPS cannot be asked for: {error}",
            hint="run the same command again, or set rate.tps",
        ) from None
