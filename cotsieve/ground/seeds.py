"""Stable seeds and digests made from words, never from a position in a run."""

import hashlib
import json


def digest(*parts: object) -> str:
    """32 hex digits that identify plain JSON values; dict key order does not matter."""
    text = json.dumps(parts, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def seed_from(*words: object) -> int:
    """A 63-bit seed that depends on the words alone."""
    return int(digest(*words)[:16], 16) >> 1
