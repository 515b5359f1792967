"""Filter expressions, and what they let through."""
