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
        ("read_digest", pa.string()),  # of the token ids that were read before anything was written
        ("donor", pa.string()),  # the problem whose reasoning or activations were given instead
        ("seed", pa.int64()),  # what an order, noise or a donor was drawn with, beside the id
        ("changed_start", pa.int32()),  # characters of the baseline's reasoning that were changed
        ("changed_end", pa.int32()),
        ("altered_to", pa.string()),  # the answer that an altered reasoning states
        ("row_key", pa.string()),  # digest of everything that determines this row
    ]
)
