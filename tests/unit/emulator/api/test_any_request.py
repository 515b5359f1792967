"""Botocore's model as the judge: of answers, and of requests nobody would think of."""

from __future__ import annotations

from functools import cache
from typing import Any

import orjson
import pytest
from botocore.loaders import Loader
from botocore.model import ServiceModel
from botocore.validate import ParamValidator
from hypothesis import given, settings
from hypothesis import strategies as st
from support.emulator import DECLARED

from worker.emulator.api.answer import Answers
from worker.emulator.api.control import Control
from worker.emulator.data.datasets import load
from worker.emulator.errors import ServiceFault
from worker.emulator.resources import Resources

PREFIX = "arn:aws:personalize:us-east-1:000000000000:"
MODEL = ServiceModel(Loader().load_service_model("personalize-runtime", "service-2"))
OPERATIONS = {
    "GetRecommendations": Answers.get_recommendations,
    "GetPersonalizedRanking": Answers.get_personalized_ranking,
    "GetActionRecommendations": Answers.get_action_recommendations,
}
REFUSALS = {
    ("InvalidInputException", 400),
    ("ResourceNotFoundException", 404),
    ("SerializationException", 400),
}
TEXTS = st.one_of(
    st.sampled_from(["u0001", "i0001", "ITEMS", "TITLE", "nobody", ""]), st.text(max_size=300)
)
ARNS = st.sampled_from(
    [f"{PREFIX}campaign/{each.name}" for each in DECLARED.campaigns]
    + [PREFIX + "recommender/top-picks", PREFIX + "filter/none", "arn:nonsense"]
)
ANYTHING = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-(2**31), 2**31), st.floats(), st.text()),
    lambda inner: st.one_of(st.lists(inner), st.dictionaries(st.text(), inner)),
    max_leaves=5,
)


@cache
def answers() -> Answers:
    return Answers(DECLARED, load(DECLARED), Resources(DECLARED))


def shaped(shape: Any) -> st.SearchStrategy[Any]:
    """Values of a shape's type, within its limits or not."""
    match shape.type_name:
        case "structure":
            members = {name: shaped(member) for name, member in shape.members.items()}
            return st.fixed_dictionaries({}, optional=members)
        case "list":
            return st.lists(shaped(shape.member), max_size=4)
        case "map":
            return st.dictionaries(shaped(shape.key), shaped(shape.value), max_size=3)
        case "integer":
            return st.integers(-5, 600)
        case _:
            return ARNS if shape.name == "Arn" else TEXTS


def requests_of(name: str) -> st.SearchStrategy[Any]:
    good = shaped(MODEL.operation_model(name).input_shape)
    spoilt = st.tuples(good, st.text(max_size=20), ANYTHING).map(lambda t: {**t[0], t[1]: t[2]})
    replaced = st.tuples(good, ANYTHING).map(lambda t: dict.fromkeys(t[0], t[1]))
    return st.one_of(good, spoilt, replaced)


@settings(derandomize=True, max_examples=40)
@given(data=st.data())
@pytest.mark.parametrize("name", list(OPERATIONS))
def test_whatever_is_asked_the_answer_has_the_model_s_shape_or_one_of_its_errors(
    name: str, data: st.DataObject
) -> None:
    body = orjson.dumps(data.draw(requests_of(name)))
    refusals = []
    try:
        answer = OPERATIONS[name](answers(), body)
    except ServiceFault as fault:
        refusals.append((fault.code, fault.status))
    if refusals:
        assert refusals[0] in REFUSALS
        return
    shape = MODEL.operation_model(name).output_shape
    assert not ParamValidator().validate(orjson.loads(answer), shape).has_errors()


@pytest.mark.parametrize(
    ("operation", "member", "arn"),
    [
        ("DescribeCampaign", "campaignArn", PREFIX + "campaign/user"),
        ("DescribeRecommender", "recommenderArn", PREFIX + "recommender/top-picks"),
    ],
)
def test_descriptions_have_the_model_s_shape(operation: str, member: str, arn: str) -> None:
    body = Control(Resources(DECLARED)).answer(
        f"AmazonPersonalize.{operation}", orjson.dumps({member: arn})
    )
    model = ServiceModel(Loader().load_service_model("personalize", "service-2"))
    shape = model.operation_model(operation).output_shape
    assert not ParamValidator().validate(orjson.loads(body), shape).has_errors()


@pytest.mark.parametrize(
    ("target", "body", "code"),
    [
        ("AmazonPersonalize.DescribeCampaign", b"{}", "InvalidInputException"),
        ("AmazonPersonalize.DescribeCampaign", b'{"campaignArn":"no"}', "InvalidInputException"),
        ("AmazonPersonalize.DescribeCampaign", b"{", "SerializationException"),
        (
            "AmazonPersonalize.DescribeCampaign",
            orjson.dumps({"campaignArn": PREFIX + "recommender/top-picks"}),
            "ResourceNotFoundException",
        ),
    ],
)
def test_descriptions_that_cannot_be_given_are_refused_with_status_400(
    target: str, body: bytes, code: str
) -> None:
    with pytest.raises(ServiceFault) as caught:
        Control(Resources(DECLARED)).answer(target, body)
    assert (caught.value.code, caught.value.status) == (code, 400)


@pytest.mark.parametrize("target", ["AmazonPersonalize.ListSolutions", "DescribeCampaign", ""])
def test_an_operation_that_the_control_plane_lacks_is_refused_with_status_404(target: str) -> None:
    with pytest.raises(ServiceFault) as caught:
        Control(Resources(DECLARED)).answer(target, b"{}")
    assert (caught.value.code, caught.value.status) == ("UnknownOperationException", 404)
