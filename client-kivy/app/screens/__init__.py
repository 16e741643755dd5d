"""One screen a file, its rules in the .kv beside it; none waits for the network."""
