"""The two control-plane operations that clients need to learn a resource's rate."""

from __future__ import annotations

import time
from hashlib import blake2b
from typing import Any, Final

import orjson

from worker.emulator.contract import Contract
from worker.emulator.errors import ServiceFault
from worker.emulator.resources import Resource, Resources

TARGET_PREFIX: Final = "AmazonPersonalize."
"""What comes before an operation's name in the header X-Amz-Target (botocore model personalize)."""


class Control:
    """DescribeCampaign and DescribeRecommender over the declared resources, all of them ACTIVE.

    Shapes: Campaign and Recommender of botocore's personalize model, 2018-05-22. Times are Unix
    seconds; everything was created when the emulator started.
    """

    def __init__(self, resources: Resources) -> None:
        self._contract = Contract("personalize", ("DescribeCampaign", "DescribeRecommender"))
        self._operations = {
            "DescribeCampaign": self._describe_campaign,
            "DescribeRecommender": self._describe_recommender,
        }
        self._resources = resources
        self._started = round(time.time(), 3)

    def answer(self, target: str, body: bytes) -> bytes:
        """Answer the operation that the header X-Amz-Target names. Raises ServiceFault."""
        name = target.removeprefix(TARGET_PREFIX)
        if name == target or name not in self._operations:
            known = ", ".join(self._operations)
            raise ServiceFault(
                "UnknownOperationException", 400, f"no operation {target!r} here; there are {known}"
            )
        return orjson.dumps(self._operations[name](self._contract.request(name, body)))

    def _describe_campaign(self, members: dict[str, Any]) -> dict[str, Any]:
        campaign = self._find("campaignArn", members["campaignArn"])
        version = blake2b(campaign.name.encode(), digest_size=4).hexdigest()
        return {
            "campaign": {
                "name": campaign.name,
                "campaignArn": campaign.arn,
                "solutionVersionArn": (
                    f"{self._resources.arn_prefix}solution/{campaign.name}/{version}"
                ),
                "minProvisionedTPS": campaign.requests_per_s_min,
                "campaignConfig": {"enableMetadataWithRecommendations": campaign.metadata},
                **self._status(),
            }
        }

    def _describe_recommender(self, members: dict[str, Any]) -> dict[str, Any]:
        recommender = self._find("recommenderArn", members["recommenderArn"])
        return {
            "recommender": {
                "name": recommender.name,
                "recommenderArn": recommender.arn,
                "datasetGroupArn": f"{self._resources.arn_prefix}dataset-group/emulator",
                "recipeArn": recommender.recipe.arn,
                "recommenderConfig": {
                    "minRecommendationRequestsPerSecond": recommender.requests_per_s_min,
                    "enableMetadataWithRecommendations": recommender.metadata,
                },
                **self._status(),
            }
        }

    def _find(self, member: str, arn: str) -> Resource:
        try:
            return self._resources.find(member, arn)
        except ServiceFault as fault:
            # Here the model gives the fault no status of its own: 400, as JSON 1.1 services do
            raise ServiceFault(fault.code, 400, fault.message) from fault

    def _status(self) -> dict[str, Any]:
        return {
            "status": "ACTIVE",
            "creationDateTime": self._started,
            "lastUpdatedDateTime": self._started,
        }
