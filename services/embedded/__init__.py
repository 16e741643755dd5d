"""The embedded run: the whole system on one machine, from one command, with no server installed."""
