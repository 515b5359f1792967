"""What a config may say."""
