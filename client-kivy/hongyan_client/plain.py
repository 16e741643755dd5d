"""The model as plain values, for JSON."""

import dataclasses
from collections.abc import Mapping
from datetime import datetime
from typing import Any


def to_json(value: Any) -> Any:
    """Turns model objects into plain JSON values; the keys are the model's field names."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        # What is not for showing, such as a request in bytes, is no data.
        shown = [it.name for it in dataclasses.fields(value) if it.repr]
        return {name: to_json(getattr(value, name)) for name in shown}
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    if isinstance(value, Mapping):
        return {str(key): to_json(it) for key, it in value.items()}
    if isinstance(value, list | tuple):
        return [to_json(it) for it in value]
    return value
