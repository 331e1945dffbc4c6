"""The table of raw generations: one row per problem × condition × sample, before any grading."""

import pyarrow as pa

BASELINE = "baseline"
"""The condition without intervention; it is part of every sweep."""

ROLLOUTS = pa.schema(
    [
        ("problem_id", pa.string()),
        ("condition", pa.string()),
        ("sample", pa.int32()),
        ("token_ids", pa.list_(pa.int32())),
        ("text", pa.string()),
        ("answer_text", pa.string()),  # the part that is graded; null where no answer was begun
        ("finish_reason", pa.string()),  # stop | length | failed | imported
        ("error", pa.string()),
        ("prompt_tokens", pa.int32()),
        ("thought_tokens", pa.int32()),  # reasoning written, or read; null for latent thoughts
        ("answer_tokens", pa.int32()),
        ("margin", pa.float32()),  # smallest gap between the best two logits while decoding
        ("imported_prediction", pa.string()),
        ("row_key", pa.string()),  # digest of everything that determines this row
    ]
)
