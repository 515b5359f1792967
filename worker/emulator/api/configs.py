"""What UpdateCampaign and UpdateRecommender may ask for, and how a resource's config is described.

Sources: API reference, UpdateCampaign, CampaignConfig, UpdateRecommender, RecommenderConfig;
developer guide, "Automatic campaign updates". rankingInfluence is newer than botocore's model.

Chosen: what is not given stays. itemExplorationConfig and trainingDataConfig are taken, described,
and change no answer: version 1 does not explore here, and there is one training. rankingInfluence
changes the answers of aws-semantic-similarity. All of it is taken for every recipe and use case,
but a value that breaks its documented range is InvalidInputException. A solution has one version,
which its ARN with /$LATEST means as well. While a campaign follows the latest version, another
form of its ARN is refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from worker.emulator.errors import ServiceFault, invalid_input, unreadable
from worker.emulator.resources import INFLUENCE, Resource

LATEST: Final = "$LATEST"
METADATA: Final = "enableMetadataWithRecommendations"
_SYNC: Final = "syncWithLatestSolutionVersion"
_EXPLORATION: Final = "itemExplorationConfig"
_TRAINING: Final = "trainingDataConfig"
_EXCLUDED: Final = "excludedDatasetColumns"
_RATE: Final = "minRecommendationRequestsPerSecond"
_FACTORS: Final = ("POPULARITY", "FRESHNESS")
_EXPLORATION_MAX: Final = {"explorationWeight": 1.0, "explorationItemAgeCutOff": 36_500.0}

_Members = Mapping[str, Any]


def changed_campaign(campaign: Resource, members: _Members, version: str) -> Resource:
    """Return what UpdateCampaign makes of a campaign with a solution version of this ARN.

    Raises ServiceFault for what cannot be asked for.
    """
    config: _Members = members.get("campaignConfig", {})
    _check_version(campaign, members.get("solutionVersionArn"), config, version)
    _check_exploration(config)
    _check_influence(config)
    return replace(
        campaign,
        requests_per_s_min=members.get("minProvisionedTPS", campaign.requests_per_s_min),
        metadata=_metadata(config, campaign),
        extras=_extras(campaign, config, (_SYNC, _EXPLORATION, INFLUENCE)),
    )


def changed_recommender(recommender: Resource, config: _Members) -> Resource:
    """Return what UpdateRecommender makes of a recommender. Raises ServiceFault."""
    _check_exploration(config)
    rate = config.get(_RATE)
    return replace(
        recommender,
        requests_per_s_min=recommender.requests_per_s_min if rate is None else rate,
        metadata=_metadata(config, recommender),
        extras=_extras(recommender, config, (_EXPLORATION, _TRAINING)),
    )


def campaign_config(campaign: Resource) -> dict[str, Any]:
    """Return campaignConfig as DescribeCampaign has it."""
    return {METADATA: campaign.metadata, **campaign.extras}


def recommender_config(recommender: Resource) -> dict[str, Any]:
    """Return recommenderConfig as DescribeRecommender has it."""
    return {
        _RATE: recommender.requests_per_s_min,
        METADATA: recommender.metadata,
        **recommender.extras,
    }


def _extras(before: Resource, config: _Members, names: tuple[str, ...]) -> dict[str, Any]:
    """Return the other members as they are now; what is false or empty is as good as absent."""
    given = {name: _known(name, config[name]) for name in names if config.get(name) is not None}
    return {name: value for name, value in {**before.extras, **given}.items() if value}


def _known(name: str, value: Any) -> Any:
    """Return a member without what has not been checked, and may be nested too deep to write."""
    return (
        {key: value[key] for key in (_EXCLUDED,) if value.get(key)} if name == _TRAINING else value
    )


def _metadata(config: _Members, before: Resource) -> bool:
    wanted = config.get(METADATA)
    return before.metadata if wanted is None else bool(wanted)


def _check_version(campaign: Resource, arn: str | None, config: _Members, version: str) -> None:
    latest = f"{version.rpartition('/')[0]}/{LATEST}"
    if arn not in {None, latest, version}:
        message = f"solutionVersionArn {arn} does not exist; here exist: {version}, {latest}"
        raise ServiceFault("ResourceNotFoundException", 400, message)
    given = config.get(_SYNC)
    follows = campaign.extras.get(_SYNC, False) if given is None else given
    if follows and arn != latest and (arn is not None or given):
        raise invalid_input(f"with {_SYNC}, solutionVersionArn must be {latest}")


def _check_exploration(config: _Members) -> None:
    for name, value in (config.get(_EXPLORATION) or {}).items():
        most = _EXPLORATION_MAX.get(name)
        if most is None:
            known = ", ".join(_EXPLORATION_MAX)
            raise invalid_input(f"{_EXPLORATION} has {name}; there are: {known}")
        try:
            number = float(value)
        except ValueError:
            raise invalid_input(
                f"{_EXPLORATION}.{name} must be a number; it is {value!r}"
            ) from None
        if not 0.0 <= number <= most:
            raise invalid_input(f"{_EXPLORATION}.{name} must be 0 to {most:g}; it is {value}")


def _check_influence(config: _Members) -> None:
    """Check what botocore's model does not know, so that nothing has been checked of it."""
    influence = config.get(INFLUENCE)
    if influence is None:
        return
    if not isinstance(influence, dict):
        raise unreadable(f"{INFLUENCE} must be an object")
    for name, value in influence.items():
        if name not in _FACTORS:
            raise invalid_input(f"{INFLUENCE} has {name!r}; there are: {', '.join(_FACTORS)}")
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise unreadable(f"{INFLUENCE}.{name} must be a number")
        if not 0.0 <= value <= 1.0:
            raise invalid_input(f"{INFLUENCE}.{name} must be 0 to 1; it is {value}")
