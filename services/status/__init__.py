"""Status: who is online; what it knows lives in Redis and may be lost at any moment."""
