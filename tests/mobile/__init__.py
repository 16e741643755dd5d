"""What a phone gets is complete, pure where it must be, and talks."""
