"""What is shown of a message that is not this program's: the words that messages are made of. Pure.

A service, or whatever answers instead, may repeat in a message what it was asked for, in any form:
quoted, cut, escaped, as a part of a word. So it is the other way round: a word is shown if it is
one of those below, which AWS's messages and this program's own are made of; others are hidden.
Messages are whole in `_errors/`, where rows are.
"""

from __future__ import annotations

import re

HIDDEN = "[hidden]"

_LISTED = """
a about access account accounts action actions active actively again ahead all allow allowed
allows an and another answer any api are argument arn as at attempt authentication authorization
authorized available aws bad bare based be bearer because been before behind being below between
body broken busy but by bytes calculated call called caller calling calls campaign campaigns can
cannot canonical certificate change characters check client clock closed code combination
compressed connect connected connection connections consult contact contain contains content
context correct could create created credential credentials currently data dataset date
deactivated decompressed define defined delayed deleted denied deny described deserialize details
did different disabled disconnected do documentation does domain down due duplicate during earlier
empty enabled encoding end ended endpoint ends entity error errors every exceed exceeded exceeds
exception exhausted exist exists expected expiration expired explicit failed fails failure few
field filter filters find following for forbidden format found from function gateway get
getactionrecommendations getpersonalizedranking getrecommendations given group had has have header
headers here host html http identifier identity identity-based if in inactive included includes
incorrect indicates input inputs inside instead internal invalid is it item itemlist items its
json key keys large larger later latest least length less likely limit limits list login long
longer malformed many map match maximum may maybe member members message metadata method minimum
minutes missing model more most must name names needed neither network no non-active non-existent
nor not now null number object of off on one only oops open operation operations or order other
our out over overloaded parameter parameters password path pattern peer per percent perform
permission permissions permitted personalize personalize:getactionrecommendations
personalize:getpersonalizedranking personalize:getrecommendations pipe please policy possible
problem process processed processing profile promotion proper provide provided proxy quota ranking
rate reached read ready reason received recipe recipes recommendation recommendationid
recommendations recommender recommenders redirect redirects refuse refused region registered
reject rejected request requested requests required requires reset resource resource-based
resources response result results retry return returned role same satisfy schema scope scp
scripted secret security see sent serialization server service session set short should sign
signature signing size skewed slow small so solution some something source specified specify state
status stopped stream string such support supported supports syntax system temporary than that the
their them there these they this throttled throttling thrown time timed timestamp to token tokens
too transaction try type types unable unauthorized unavailable unexpected unknown unprocessable
unreachable unrecognized unsupported until up update upstream url use used user userid users using
valid validate validating validation value values verify version was way we were when where which
while who whole will with within without word words wrong you your
"""
_WORDS = frozenset(_LISTED.split())
_ERROR_NUMBER = re.compile(r"\[Errno \d{1,3}\] ")  # Python's own, of a network's error
# Those of [target] and [request]: the one thing in a refusal that says what to mend.
_ARN = re.compile(
    r"arn:aws[a-z-]{0,10}:personalize:[a-z0-9-]{1,20}:[0-9]{12}:"
    r"(campaign|recommender|filter)/[A-Za-z0-9_-]{1,63}"
)
_AROUND_MAX = 4
_AROUND = "\"'`.,:;!?()[]{}<>"


def shown(message: str, *, status: int | None = None) -> str:
    """Return `message` with all hidden that is not known to be harmless, as its HTTP status is."""
    parts: list[str] = []
    for word in _ERROR_NUMBER.sub("", message).split():
        if _is_harmless(word, status):
            parts.append(word)
        elif not parts or parts[-1] != HIDDEN:
            parts.append(HIDDEN)
    return " ".join(parts)


def _is_harmless(word: str, status: int | None) -> bool:
    core = word.strip(_AROUND)
    if len(word) - len(core) > _AROUND_MAX:  # an ID may be of such characters alone
        return False
    return core.lower() in _WORDS or core == str(status) or _ARN.fullmatch(core) is not None


_CODE = re.compile(r"[0-9]{3}|[A-Z][A-Za-z]{2,60}(Error|Exception|Failure|Fault)")


def shown_code(code: str) -> str:
    """Return an error's code, if it looks like one."""
    return code if _CODE.fullmatch(code) else HIDDEN
