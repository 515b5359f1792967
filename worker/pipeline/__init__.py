"""A run's only task group."""
