"""What a run's files come to."""
