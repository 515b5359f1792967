"""From interactions to what is recommended."""
