"""Parquet in, rate-limited Amazon Personalize calls, Parquet out: each row exactly once."""

__version__ = "0.1.0"
