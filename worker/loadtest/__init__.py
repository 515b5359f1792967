"""`loadtest`: open-loop load on a campaign, measured from the moments when calls were due."""
