"""The forms in which addresses, names and texts of profiles are kept."""

import unicodedata

from services.common.errors import Invalid

NAME_LENGTH = 64
# Letters by their category, and nothing to see: Hangul's fillers and the empty braille cell.
FILLERS = "\u115f\u1160\u2800\u3164\uffa0"
# Classes of signs that turn the text after a name around.
TURNS_AROUND = ("LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI")


def normal_email(email: str) -> str:
    """Returns the form under which an address is kept."""
    return unicodedata.normalize("NFC", email).strip().lower()


def normal_handle(handle: str) -> str:
    """Returns the form under which a handle is unique; "" for what can be none."""
    # Other signs do not even compare with a column of ASCII in MySQL.
    return handle.strip().lower() if handle.isascii() else ""


def normal_name(name: str, field: str = "display_name") -> str:
    """Returns the form in which a name is kept; raises Invalid for one that cannot be shown."""
    composed = unicodedata.normalize("NFC", name)
    if not any(
        unicodedata.category(sign)[0] not in "CZ" and sign not in FILLERS for sign in composed
    ):
        raise _refused(field, "is blank")
    return normal_text(name, field, NAME_LENGTH)


def normal_text(text: str, field: str, length: int) -> str:
    """Returns the form in which one line of text is kept; raises Invalid for control characters."""
    text = unicodedata.normalize("NFC", text).strip()
    if any(
        unicodedata.category(sign) in ("Cc", "Zl", "Zp")
        or unicodedata.bidirectional(sign) in TURNS_AROUND
        for sign in text
    ):
        raise _refused(field, "has control characters")
    if len(text) > length:  # composing a text can make it longer
        raise _refused(field, f"has more than {length} characters")
    return text


def _refused(field: str, problem: str) -> Invalid:
    return Invalid("INVALID_FIELD", f"{field}: {problem}", fields={field: problem})
