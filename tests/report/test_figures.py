import csv
import re
from xml.etree import ElementTree

import made_up
import pytest

from cotsieve.report.facts.figure_data import figure_data
from cotsieve.report.facts.gathered import model_facts, study_facts
from cotsieve.report.figures import write_figures
from cotsieve.report.page.explorer import packed
from cotsieve.report.page.frame import page


@pytest.fixture(scope="module")
def figures():
    tables = made_up.study(24)
    facts = [model_facts(model, tables.problems) for model in tables.models]
    return [figure for model in facts for figure in figure_data(model)]


def test_every_figure_the_page_links_to_is_made():
    tables = made_up.study(24)
    text = page(study_facts(tables), packed(tables))
    linked = set(re.findall(r'href="figures/([^"]+)\.csv"', text))
    facts = study_facts(tables)["models"]
    made = {f"{one['model']}/{figure.name}" for one in facts for figure in figure_data(one)}
    assert linked == made


def test_a_figure_is_picture_vector_and_rows(figures, tmp_path):
    one = {figure.kind: figure for figure in figures}.values()  # one of each kind
    write_figures(tmp_path, one)
    for figure in one:
        rows = list(csv.DictReader((tmp_path / f"{figure.name}.csv").open(encoding="utf-8")))
        assert len(rows) == len(figure.rows)
        assert (tmp_path / f"{figure.name}.png").read_bytes().startswith(b"\x89PNG")
        assert "</svg>" in (tmp_path / f"{figure.name}.svg").read_text(encoding="utf-8")


def test_equal_rows_give_equal_bytes(figures, tmp_path):
    for folder in ("a", "b"):
        write_figures(tmp_path / folder, figures[:2])
    for file in (tmp_path / "a").iterdir():
        assert file.read_bytes() == (tmp_path / "b" / file.name).read_bytes(), file.name


def test_the_shares_of_a_csv_keep_their_digits(figures, tmp_path):
    rates = figures[0]
    write_figures(tmp_path, [rates])
    for told, row in zip(
        csv.DictReader((tmp_path / "rates.csv").open(encoding="utf-8")), rates.rows, strict=True
    ):
        assert float(told["value"]) == row["value"] and int(told["count"]) == row["count"]


def test_what_reasoning_does_is_drawn_for_all_and_for_groups(tmp_path):
    (_, model) = study_facts(made_up.study(60))["models"]
    figures = {figure.name: figure for figure in figure_data(model)}
    write_figures(tmp_path, [figures["reasoning"], figures["reasoning-groups"]])
    groups = list(csv.DictReader((tmp_path / "reasoning-groups.csv").open()))
    levels = [row for row in groups if row["by"] == "level"]
    decides = [row for row in figures["reasoning"].rows if row["condition"] == model["condition"]]
    assert sum(int(row["correct_to_wrong"]) for row in levels) == decides[0]["correct_to_wrong"]
    for row in levels:
        assert f">{row['group']}<" in (tmp_path / "reasoning-groups.svg").read_text()


def test_a_measure_without_a_value_is_not_in_the_legend(tmp_path):
    tables = made_up.judged_anew(made_up.study(12, reasoning=False), lambda row: "incorrect")
    (model,) = study_facts(tables)["models"]
    figures = {figure.name: figure for figure in figure_data(model)}
    write_figures(tmp_path, [figures["grid-conditions"]])
    text = (tmp_path / "grid-conditions.svg").read_text()
    assert ">right<" in text and "broken" not in text


STRATA = {
    "a formula that is none": r"Number theory over $\Z$",
    "half a formula": "$x_{",
    "markup": "<b>&amp;</b>]]>",
    "signs no font has": "\U0001f600 \u202e\u0627 漢",
    "signs no file may hold": "a\x00b\x1b[31m",
    "lines": "a\nb\r\nc",
    "long": "Algebra " * 200,
    "a sum": "=SUM(A1)",
}


@pytest.mark.parametrize("name", STRATA.values(), ids=STRATA)
def test_text_in_figures_is_text(name, figures, tmp_path):
    by_kind = {figure.kind: figure for figure in figures}
    targets = by_kind["targets"]
    rows = [row | {"stratum": name} for row in targets.rows[:1]]
    write_figures(tmp_path, [targets._replace(rows=rows)])
    ElementTree.parse(tmp_path / "drawn.svg")
    assert {path.name for path in tmp_path.iterdir()} == {
        f"drawn.{e}" for e in ("csv", "svg", "png")
    }
    if name == STRATA["a formula that is none"]:
        assert name in (tmp_path / "drawn.svg").read_text(encoding="utf-8")


def test_a_figure_that_cannot_be_drawn_is_left_empty(figures, tmp_path, caplog):
    rates = next(figure for figure in figures if figure.kind == "shares")
    write_figures(
        tmp_path, [rates._replace(rows=[{"group": 1, "measure": "baseline", "value": "?"}])]
    )
    assert "the figure rates is left empty (KeyError: " in caplog.text
    assert "could not be drawn" in (tmp_path / "rates.svg").read_text(encoding="utf-8")
    assert (tmp_path / "rates.png").stat().st_size > 500


def test_ten_thousand_strata_make_no_endless_picture(figures, tmp_path):
    targets = next(figure for figure in figures if figure.kind == "targets")
    rows = [targets.rows[0] | {"stratum": f"field {number}"} for number in range(10_000)]
    write_figures(tmp_path, [targets._replace(rows=rows)])
    assert (tmp_path / "drawn.png").stat().st_size < 2**20
    assert len((tmp_path / "drawn.csv").read_text().splitlines()) == 10_001
