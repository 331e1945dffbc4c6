"""A job tells its log what it does, and the terminal also which job it is."""

import re
from pathlib import Path

from cotsieve.ground.joblog import logging_to


def test_every_line_of_the_terminal_names_its_job(tmp_path: Path, capfd):
    log = tmp_path / "results/toy/logs/generate/tiny 5%/main/sample/0003.log"
    with logging_to(log) as logger:
        logger.info("5 of 10 problems done")
    told = r"\d\d:\d\d:\d\d INFO generate tiny 5% main sample 0003: 5 of 10 problems done\n"
    assert re.fullmatch(told, capfd.readouterr().err)
    assert re.fullmatch(
        r"\S+ \S+ INFO 5 of 10 problems done\n.+ took \d+\.\d s\n", log.read_text("utf-8")
    )
