"""Parquet in, rate-limited Amazon Personalize calls, Parquet out: each row exactly once."""

from __future__ import annotations

__version__ = "0.1.0"
