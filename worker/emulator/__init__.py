"""A local Amazon Personalize: the runtime API over HTTP, trained at start, needing no account.

It answers GetRecommendations, GetPersonalizedRanking and GetActionRecommendations, and what clients
ask the control plane (`api.control`). Any SDK talks to it once its endpoint is set::

    AWS_ENDPOINT_URL_PERSONALIZE_RUNTIME=http://127.0.0.1:8765
    AWS_ENDPOINT_URL_PERSONALIZE=http://127.0.0.1:8765

Credentials may be anything, unless the settings declare some: then signatures are verified.

What happens to a request, module by module: `http.connection` and `http.parse` -> `api.app`
(routes; `conditions.weather`, `http.signature`, `conditions.capacity`) -> `api.contract`
(botocore's model) -> `requests` (documented limits that the model lacks) -> `api.answer` (resource,
`filters`, context) -> `model.recommend` and `model.relevance` (weights and scores), `model.actions`
-> `model.choose` (exploration, placeholders, promotions). What happens at start: `settings` ->
`data.sources` (`data.files` and `data.schemas`, or `data.synthetic`) -> `data.datasets` and
`data.rules` -> `model.train` -> `server`. Nothing here imports the rest of the package, so a
misunderstanding of the service cannot hide by being shared.

Answers depend on the data, the settings and the request only, never on earlier requests;
recommendationId alone is new every time. Capacity and weather, where there are any, decide whether
and how a request is answered. What each module chose is in its own docstring, too.

Where AWS's documentation is silent, or silent about the wording, the emulator chose:

* Status and code. A value that breaks a limit: InvalidInputException, 400. A body that is not JSON
  or a value of the wrong JSON type: SerializationException, 400. A body over 4 MiB:
  RequestEntityTooLargeException, 413. Another path or method: UnknownOperationException, 404.
  What is no HTTP/1.1 request (`http.parse`): 400, 431, 501 or 505. Message texts are the
  emulator's own.
* Members with the value null count as absent; unknown members are ignored.
* Both or neither of campaignArn and recommenderArn, an operation that the recipe does not serve,
  an empty or absent ID that the recipe needs, an empty inputList, a promotion without filterArn:
  InvalidInputException.
* numResults 0 is taken at its word: an empty list. Absent: 25, or 5 actions.
* An item that inputList has twice is ranked once. Items that are not in the catalogue come last,
  in the order of the request, with a score of 0, or without one if `unknown_item_score` says so.
  With a
  filter, a ranking has only items of the catalogue that pass it, and scores sum to 1 over them.
* The numbers of campaigns, recommenders and filters are told where they are above the quota; the 20
  fields that all filters together may go by are a limit.
* A filter of actions where items are returned or the other way round, one that goes by the user
  without a userId, one that goes by CurrentItem where no related items are asked for:
  InvalidInputException. filterValues without a filterArn are checked against the model and ignored.
* context: keys are columns of the interactions, whatever their case, but for the IDs, TIMESTAMP,
  EVENT_TYPE and other reserved ones. Another key is InvalidInputException, or ignored if
  `unknown_context` says so, for every recipe; what is learned from keys and values changes the
  answers of User-Personalization, Personalized-Ranking (both versions), Recommended for you and
  Top picks. Values with fewer than 20 interactions, and all but a column's 100 most frequent
  ones, change nothing. Only what a value adds to an item is learned, so several add up.
* A promotion with a recipe that supports none is InvalidInputException: the HRNN recipes and
  Semantic-Similarity. The share of numResults is rounded down, but is one item at least. Promoted
  items are the most relevant that pass the promotion's filter; what a use case hides is not
  promoted. They carry the scores of their recipe; an item that v2 does not score has none. Places
  depend on seed and request.
* metadataColumns: metadata not enabled, and columns that the items data set lacks, are refused
  with InvalidInputException; ITEM_ID is no metadata. Names are compared without regard to case and
  come back as the request spells them. Null cells are left out; a whole number in a float column
  is written without a decimal point; an unknown item of a ranking has no metadata.
* A user without interactions, whether in the users data set or nowhere, gets the popular items,
  with scores if the recipe has any. Likewise an item, for related items. The users data set
  matters to filters alone.
* Popular items are those with the most interactions; by views or by purchases, those with most
  events of type View or Purchase, whatever the case, and with most interactions where there are no
  such events. Trending ones grew most from the last but one twentieth of the interactions to the
  last: an exported data set has no now.
* Use cases hide what the user has events of type Watch or Purchase with, whatever the case, as the
  developer guide lists them, besides any filter. Without such events nothing is hidden.
* User-Personalization-v2 scores the user's 500 best items, the 100 most popular and at most 100
  new ones; scores sum to 1 over these. A filter is applied to them; where it leaves too few,
  popular items follow that pass it, without a score and with the reason Popular item. Each place
  is explored with a chance of 1 in 100, decided by seed and request: a new item takes the place of
  the last of the best. New are items created (CREATION_TIMESTAMP) or first seen within 30 days of
  the last interaction, or never seen; without any, those that were seen least.
* Version 1 and the use cases score all items and do not explore, whatever explorationWeight may be.
* Actions without a score of their own come last, by VALUE, the same for everybody: there is no
  exploration of actions. `model.actions` says how the others are scored. Actions whose
  ACTION_EXPIRATION_TIMESTAMP is not after the last interaction are never returned; repeat
  frequencies have nothing to go by. Without an actions data set, the actions are those of the
  action interactions, or made up.
* Rules and quotas of imports (`data.rules`) are told as warnings; `strict` refuses. Exact
  duplicates of an interaction count once. TIMESTAMP is taken as it is, also where it looks like
  milliseconds.
* A cell that is not of its column's type in an Avro schema counts as null (`data.schemas`).
"""
