"""The child process of one case: it answers with the case's record, then runs it whenever asked."""

import json
import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any

from jconv.lab import loading, plan, record
from jconv.lab.runner import needs_float64
from jconv.lab.session import Session, failure


def _die_with(parent: int) -> None:
    """End this process, and what it has started, once its parent is gone, even if the case hangs."""
    while os.getppid() == parent:
        time.sleep(0.5)
    if hasattr(os, "killpg") and os.getpgrp() == os.getpid():
        os.killpg(0, signal.SIGKILL)
    os._exit(1)


def main() -> None:
    """Serve one case over standard input and output, until the input ends."""
    # Whatever else writes to standard output, such as a C++ library, must not be taken for an answer.
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    _ = os.dup2(2, 1)

    def answer(said: dict[str, Any]) -> None:
        _ = answers.write(json.dumps(said) + "\n")
        answers.flush()

    question = json.loads(sys.stdin.readline())
    # The parent says who it is: asked here, a parent that died while this process started would go unnoticed.
    threading.Thread(target=_die_with, args=(question["parent"],), daemon=True).start()
    folder, source = Path(question["folder"]), Path(question["source"])
    loaded = loading.load(folder / record.RESOLVED)._replace(folder=source)
    problems = plan.plan(loaded)
    problem = next(one for one in problems if question["case"] in one.cases())
    contender = question["case"].rpartition("/")[2]
    with needs_float64(problems):
        case = Session(source, folder).prepare(problem, contender)
        answer({"line": json.loads(record.encoded(case.line)), "timed": case.run is not None})
        for _ in sys.stdin:
            assert case.run is not None
            try:
                answer({"seconds": case.run()})
            except Exception as wrong:
                answer(failure(wrong))


if __name__ == "__main__":
    main()
