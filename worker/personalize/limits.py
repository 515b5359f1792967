"""The service's limits. The SDK checks only types, required members and minimums, so they are here.

Sources: BM = botocore's model `personalize-runtime` 2018-05-22; DG = Amazon Personalize developer
guide; BE = botocore's model `personalize-events` 2018-03-22.
"""

from __future__ import annotations

import re

ID_CHARS_MAX = 256  # BM UserID, ItemID
ARN_CHARS_MAX = 256  # BM Arn
REGION_PATTERN = re.compile(r"[A-Za-z0-9-]{1,63}")  # botocore.utils.validate_region_name
ARN_PATTERN = re.compile(r"arn:([a-z\d-]+):personalize:.*:.*:.+")  # BM Arn

NUM_RESULTS_MAX = 500  # BM NumResults ("the maximum is 500")
NUM_RESULTS_DEFAULT = 25  # BM NumResults
NUM_RESULTS_WITH_METADATA_MAX = 50  # BM NumResults ("with metadata ... the maximum is 50")
NUM_ACTIONS_MAX = 100  # BM GetActionRecommendations.numResults
NUM_ACTIONS_DEFAULT = 5  # BM GetActionRecommendations.numResults

INPUT_LIST_MAX = 500  # BM InputList documentation
INPUT_LIST_WITH_METADATA_MAX = 50  # BM InputList documentation

CONTEXT_KEYS_MAX = 150  # BM Context
CONTEXT_KEY_PATTERN = re.compile(r"[A-Za-z\d_]{1,150}")  # BM AttributeName
CONTEXT_VALUE_CHARS_MAX = 1000  # BM AttributeValue

FILTER_VALUES_MAX = 25  # BM FilterValues
FILTER_KEY_PATTERN = re.compile(r"[A-Za-z0-9_]{1,50}")  # BM FilterAttributeName
FILTER_VALUE_CHARS_MAX = 1000  # BM FilterAttributeValue

PROMOTIONS_MAX = 1  # BM PromotionList
PROMOTION_NAME_PATTERN = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9\-_]{0,62}")  # BM Name
PERCENT_PROMOTED_ITEMS_MIN = 1  # BM PercentPromotedItems
PERCENT_PROMOTED_ITEMS_MAX = 100  # BM PercentPromotedItems

METADATA_COLUMNS_MAX = 10  # DG recommendations with metadata (the model allows 99)
METADATA_COLUMN_CHARS_MAX = 150  # BM ColumnName

# Of an answer, as this program bounds it: 50 items with ten long metadata values are some 10 MiB.
BODY_BYTES_MAX = 16 << 20
