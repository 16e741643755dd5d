"""Load: what drives the real system from outside, and the servers that it runs against."""
