"""Gate: the live connections of devices, one stream each; it has no database."""
