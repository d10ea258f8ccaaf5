"""Upscaling files from the command line, and what is said about it."""

from __future__ import annotations

import sys
from contextlib import closing

from server import client
from server.cli.fault import sentence_of
from server.cli.upscale.batch import Batch, Order, plan
from server.cli.upscale.jobs import in_order
from server.cli.upscale.upscaler import Upscaler, complain
from server.errors import ServerError


def run(order: Order) -> int:
    """Upscale everything that can be; 0 when all went well, else 1."""
    try:
        batch = plan(order)
        upscaler = Upscaler(order, len(batch.tasks))
    except (ServerError, client.ClientError) as fault:
        complain(str(fault))
        return 1
    for reason in batch.faults:
        complain(reason)
    with upscaler:
        failed = _enlarge_all(batch, upscaler)
    if len(batch.tasks) + len(batch.faults) > 1 or batch.of_folders:
        print(batch.summary(failed), file=sys.stderr)  # noqa: T201
    return 1 if failed or batch.faults else 0


def _enlarge_all(batch: Batch, upscaler: Upscaler) -> int:
    """Upscale the files of a batch, and tell of each in their order; returns how many failed."""
    failed = 0
    outcomes = in_order(upscaler.upscale_file, batch.tasks, upscaler.order.jobs, upscaler.stop)
    with closing(outcomes):
        for task, outcome in zip(batch.tasks, outcomes, strict=True):
            fault = outcome.exception()
            with upscaler.progress.hidden():
                if isinstance(fault, Exception):  # a file may fail in any way; the others go on
                    failed += 1
                    complain(f"{task.source}: {sentence_of(fault)}")
                    continue
                target, notices = outcome.result()
                for notice in notices:
                    complain(f"{task.source}: {notice}")
                print(target, flush=True)  # noqa: T201
    return failed
