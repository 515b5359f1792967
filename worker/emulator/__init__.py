"""A local Amazon Personalize: the runtime API over HTTP, trained at start, needing no account.

It answers GetRecommendations, GetPersonalizedRanking and GetActionRecommendations, and from the
control plane DescribeCampaign and DescribeRecommender, so that a client can learn a resource's
provisioned rate. Any SDK talks to it once its endpoint is set::

    AWS_ENDPOINT_URL_PERSONALIZE_RUNTIME=http://127.0.0.1:8765
    AWS_ENDPOINT_URL_PERSONALIZE=http://127.0.0.1:8765

Credentials may be anything: signatures are not verified.

What happens to a request, module by module: `app` (routes, headers) -> `contract` (botocore's
model) -> `rules` (documented limits that the model lacks) -> `answer` (resource, then
recommendations) -> `recommend` and `actions` (items and scores). What happens at start: `settings`
-> `tables` and `data` (or `synthetic`) -> `train` -> `server`. Nothing here imports the rest of
the package, so a misunderstanding of the service cannot hide by being shared.

Answers depend on the data, the settings and the request only, never on earlier requests;
recommendationId alone is new every time.

Where AWS's documentation is silent, or silent about the wording, the emulator chose:

* Status and code. A value that breaks a limit: InvalidInputException, 400. A body that is not JSON
  or a value of the wrong JSON type: SerializationException, 400. A body over 4 MiB:
  RequestEntityTooLargeException, 413. Another path or method: UnknownOperationException, 404.
  Message texts are the emulator's own.
* Members with the value null count as absent; unknown members are ignored.
* Both or neither of campaignArn and recommenderArn, an operation that the recipe does not serve,
  an empty or absent ID that the recipe needs, an empty inputList, a promotion without filterArn:
  InvalidInputException.
* numResults 0 is taken at its word: an empty list. Absent: 25, or 5 actions.
* An item that inputList has twice is ranked once. Items that are not in the catalogue come last,
  in the order of the request, without a score.
* Filters don't exist yet: every filterArn is unknown, ResourceNotFoundException, 404; filterValues
  without a filterArn are checked against the model and ignored.
* context is checked against the model and has no effect; its keys need not be columns.
* metadataColumns: metadata not enabled, and columns that the items data set lacks, are refused
  with InvalidInputException; ITEM_ID is no metadata. Names are compared without regard to case and
  come back as the request spells them. Null cells are left out; a whole number in a float column
  is written without a decimal point; an unknown item of a ranking has no metadata.
* A user without interactions, whether in the users data set or nowhere, gets the popular items,
  with scores if the recipe has any. Likewise an item, for related items. The users data set is
  checked when loaded and changes no answer yet.
* Popular items are those with the most interactions of any kind, for aws-trending-now and the
  use cases by views and by purchases too. Use cases don't drop what was watched or purchased.
* User-Personalization-v2 scores the whole catalogue as v1 does, and sends no `reason`. Nothing
  explores: the same request gets the same items every time.
* Action scores are made up from the seed and the IDs; they learn from nothing.
"""
