"""Engines that a command opens one after another share one budget."""

import json
import logging

import pytest

from leaven.cli import engine
from leaven.errors import UserError
from leaven.llm.protocol import Sampling
from leaven.rows.example import user


def test_limits_hold_for_all_engines_of_a_command_together(tmp_path, capsys):
    (tmp_path / "s.jsonl").write_text(json.dumps({"reply": "two words"}) + "\n")
    spec = f"scripted:{tmp_path / 's.jsonl'}"
    given = {name: default for name, (_, default) in engine.FLAGS.items()} | {"max_requests": 10, "store": "off"}
    opened = engine.opener(tmp_path / "log", given)
    for what, asked, answered in (("first", 6, 6), ("second", 6, 4)):
        found = []
        try:
            with opened(spec, what) as llm:
                found.extend(llm.replies([user(f"{what} {n}") for n in range(asked)], Sampling()))
        except UserError as error:
            assert "max_requests" in str(error)
        assert len(found) == answered
    with pytest.raises(UserError, match="used up before third: --max-requests 10"), opened(spec, "third"):
        pass
    assert "Spent 6 calls" in capsys.readouterr().err
    assert "Spent 4 calls" in (tmp_path / "log").read_text()


def test_a_log_that_is_closed_leaves_the_level_as_it_was(tmp_path, caplog):
    (tmp_path / "s.jsonl").write_text(json.dumps({"reply": "two words"}) + "\n")
    logger = logging.getLogger("leaven.llm")
    caplog.set_level(logging.WARNING, logger.name)
    handlers = list(logger.handlers)
    given = {name: default for name, (_, default) in engine.FLAGS.items()} | {"store": "off"}
    with engine.opener(tmp_path / "log", given)(f"scripted:{tmp_path / 's.jsonl'}", "first"):
        assert logger.level == logging.INFO
    assert (logger.level, logger.handlers) == (logging.WARNING, handlers)
