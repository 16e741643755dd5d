"""What every service shares: serving, interceptors, errors, tokens, telemetry, database and cluster."""
