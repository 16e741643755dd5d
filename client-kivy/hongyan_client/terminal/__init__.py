"""The terminal client: the command `hongyan`."""
