"""Of processes that want a folder at once exactly one gets it, and it is free again whatever becomes of that one."""

import signal
import subprocess
import sys
import threading

import pytest

from leaven.errors import UserError
from leaven.runs.lock import lock

WORKER = """
import sys
from pathlib import Path
from leaven.errors import UserError
from leaven.runs.lock import lock
for line in sys.stdin:
    try:
        with lock(Path(line.strip())):
            print("held", flush=True)
            sys.stdin.readline()
    except UserError as error:
        print(error.problem, flush=True)
        sys.stdin.readline()
"""


@pytest.fixture
def workers():
    pair = [
        subprocess.Popen([sys.executable, "-c", WORKER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    yield pair
    for process in pair:
        process.kill()
        process.communicate()


def say(process, line):
    process.stdin.write(line + "\n")
    process.stdin.flush()


def test_in_twenty_tries_two_processes_never_both_hold_it(workers, tmp_path):
    for number in range(20):
        for process in workers:
            say(process, str(tmp_path / f"run-{number}"))
        said = [process.stdout.readline().strip() for process in workers]
        assert said.count("held") == 1, said
        (refused,) = [line for line in said if line != "held"]
        assert refused.startswith("another process (") and refused.endswith(f"works in {tmp_path}/run-{number}")
        for process in workers:
            say(process, "let go")


def test_the_lock_of_a_killed_process_is_free(workers, tmp_path):
    say(workers[0], str(tmp_path))
    assert workers[0].stdout.readline().strip() == "held"
    with pytest.raises(UserError, match=rf"another process \(process {workers[0].pid} on .*, since .*\) works in"):
        with lock(tmp_path):
            pass
    workers[0].send_signal(signal.SIGKILL)
    workers[0].wait()
    assert (tmp_path / "lock").exists()
    with lock(tmp_path):
        pass
    assert not (tmp_path / "lock").exists()


def test_handed_from_one_to_the_next_it_is_never_held_twice(tmp_path):
    """Its owner removes the file while others open it: who then holds the removed one holds nothing."""
    inside, most, got = [], [], []

    def work():
        while len(got) < 200:
            try:
                with lock(tmp_path):
                    inside.append(1)
                    most.append(len(inside))
                    got.append(1)
                    inside.pop()
            except UserError:
                pass

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert max(most) == 1 and len(got) >= 200


def test_one_that_waits_says_for_whom_and_gets_it(workers, tmp_path):
    say(workers[0], str(tmp_path))
    assert workers[0].stdout.readline().strip() == "held"
    said = []

    def wait(sentence):
        said.append(sentence)
        say(workers[0], "let go")

    with lock(tmp_path, wait=wait):
        assert len(said) == 1
    assert said[0].startswith(f"another process (process {workers[0].pid} on ")
