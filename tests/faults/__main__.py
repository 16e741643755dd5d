"""Runs the long round of all fault tests: `python -m tests.faults [pytest options]`."""

import os
import sys

import pytest

if __name__ == "__main__":
    os.environ["HONGYAN_FAULTS"] = "long"
    options = ["tests/faults", "-v", "-p", "no:cacheprovider", *sys.argv[1:]]
    sys.exit(pytest.main(options))
