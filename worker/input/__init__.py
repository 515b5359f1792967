"""Parquet in."""
