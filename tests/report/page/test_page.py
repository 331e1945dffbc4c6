"""One file that needs nothing else, with the same bytes for the same results."""

import re

import made_up
import pytest

from cotsieve.report.facts.gathered import study_facts
from cotsieve.report.page.explorer import packed, shortened
from cotsieve.report.page.frame import compressed, page, uncompressed

LOADS = re.compile(r"""(?:src|href|srcset|poster|action|data)\s*=\s*["']([^"']*)["']""", re.I)


@pytest.fixture(scope="module")
def tables():
    return made_up.study(30)


@pytest.fixture(scope="module")
def text(tables):
    return page(study_facts(tables), packed(tables))


def test_nothing_is_loaded_from_anywhere(text):
    page_only = re.sub(r"<script[^>]*octet-stream.*?</script>", "", text, flags=re.S)
    beside = re.compile(r"#|data:,$|figures/[\w./-]+\.(csv|svg|png)$|throughput\.html$")
    assert [link for link in LOADS.findall(page_only) if not beside.match(link)] == []
    for word in ("http://", "https://", "@import", "url(", '<link rel="stylesheet', "import("):
        assert word not in page_only
    assert "default-src 'none'" in text


def test_equal_results_give_equal_bytes(text):
    again = made_up.study(30)
    assert page(study_facts(again), packed(again)) == text


def test_the_data_comes_back(tables):
    data = packed(tables)
    assert uncompressed(compressed(data)) == data
    assert uncompressed(compressed({"half of a character": "\ud83d"}))  # as models may be cut off


def test_every_answer_is_in_the_data_under_its_condition(tables):
    data = packed(tables)
    letters = {"c": "correct", "i": "incorrect", "n": "no_answer", "f": "failed"}
    for model, told in zip(tables.models, data["models"], strict=True):
        rows = {
            (row["sweep"], row["condition"], row["sample"], row["problem_id"]): row
            for row in model.merged.drop_columns(["token_ids"]).to_pylist()
        }
        seen = 0
        for column in told["columns"]:
            for number, sample in enumerate(column["samples"]):
                for place, key in enumerate(data["problems"]["id"]):
                    row = rows[column["sweep"], column["condition"], number, key]
                    text = sample["texts"][place]
                    assert letters[sample["verdicts"][place]] == row["verdict"]
                    assert (data["texts"][text] if text >= 0 else None) == row["text"]
                    seen += 1
        assert seen == len(rows)


def test_the_two_deciding_conditions_come_first_and_give_the_verdict(tables):
    for model, told in zip(tables.models, packed(tables)["models"], strict=True):
        baseline, ablated = told["columns"][:2]
        assert (baseline["condition"], ablated["condition"]) == ("baseline", model.condition)
        for place, row in enumerate(model.necessity):
            one, two = baseline["verdicts"][place], ablated["verdicts"][place]
            expected = None if "f" in (one, two) else one == "c" and two != "c"
            assert row["needs_cot"] is expected
            assert told["needs"][place] == {True: "1", False: "0", None: "-"}[expected]


def test_long_texts_are_shortened_by_the_amount_of_text(tables):
    assert packed(tables)["cap"] is None
    tight = packed(tables, budget=100)
    assert tight["cap"] == 250 or max(map(len, tight["texts"])) <= 250
    found = shortened("a" * 500 + "z" * 500, 300)
    assert found.startswith("aaa") and found.endswith("zzz") and "700 characters" in found
