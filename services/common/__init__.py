"""What every service shares: serving, errors, tokens, limits, telemetry, database, cluster."""
