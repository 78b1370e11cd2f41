"""`python -m leaven` is `leaven`."""

from leaven.cli.main import run

run()
