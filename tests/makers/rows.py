"""Rows of sources as files hold them, and how they are read."""

import json

GOOD = {"question": "One and one?", "answer": "<<1+1=2>>\n#### 2", "id": "first"}
MAPPED = {"format": "columns", "columns": {"question": "question", "answer": "answer"}}
GSM8K = {"format": "gsm8k"}
PAIRS = {"format": "pairs"}


def json_lines(*rows: object) -> bytes:
    return "\n".join(json.dumps(row) for row in rows).encode()
