"""What a run produced, from its files alone: numbers, the HTML page, and two runs compared."""
