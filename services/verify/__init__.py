"""Verify: accounts, e-mail codes, passwords, tokens and sessions."""
