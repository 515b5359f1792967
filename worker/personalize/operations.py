"""The three runtime operations: their names in the API, and in the SDK."""

from __future__ import annotations

from enum import StrEnum


class Operation(StrEnum):
    """The three runtime operations, by their API names."""

    GET_RECOMMENDATIONS = "GetRecommendations"
    GET_PERSONALIZED_RANKING = "GetPersonalizedRanking"
    GET_ACTION_RECOMMENDATIONS = "GetActionRecommendations"


METHODS = {
    Operation.GET_RECOMMENDATIONS: "get_recommendations",
    Operation.GET_PERSONALIZED_RANKING: "get_personalized_ranking",
    Operation.GET_ACTION_RECOMMENDATIONS: "get_action_recommendations",
}
