"""What every report page is made of."""
