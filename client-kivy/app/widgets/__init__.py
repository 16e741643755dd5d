"""The kit: one widget a file, its rules in the .kv beside it."""
