"""A part of torchrun's store that nobody has written to before, agreed on by all processes of one start.

torchrun's agent keeps its store from one start of the processes to the next, and torch writes each start's addresses
to the same keys there (https://github.com/pytorch/pytorch/issues/135712). A process that comes first after a restart
reads the address of a process that has died, and dials it. No number in the environment tells the starts apart on all
machines: TORCHELASTIC_RESTART_COUNT is each agent's own. So the processes agree on a name by themselves, before torch's
own rendezvous: each says that it is here, process 0 offers a name to those that it sees, and the name is taken when
every one of them has accepted it. A dead process accepts nothing, so that an offer to one is never taken; its successor
changes what process 0 sees, and the next offer is made.

Not every build of torch has what is imported here: only a process that torchrun started may import this module.
"""

from __future__ import annotations

import json
import time
import uuid

from torch.distributed.distributed_c10d import PrefixStore, Store

from trainer.errors import TrainingError

PATIENCE = 1800.0  # seconds for all processes to come, as torch's own rendezvous has
PAUSE = 0.05  # seconds between two looks at the store
OFFER = "offer"


def fresh_store(store: Store, rank: int, size: int, patience: float = PATIENCE) -> Store:
    """Agree on a part of the store that is empty, and return it.

    Args:
        store: What torchrun's processes share.
        rank: This process's number.
        size: How many there are.
        patience: Seconds to wait for the others.

    Returns:
        The part that this start of the processes has for itself.

    Raises:
        TrainingError: The others did not come in time.
    """
    shared = PrefixStore("neural-upscale", store)
    name, until = uuid.uuid4().hex, time.monotonic() + patience
    shared.set(_here(rank), name)
    agreed = _offered(shared, size, until) if rank == 0 else _accepted(shared, rank, name, until)
    return PrefixStore(agreed, shared)


def _offered(store: Store, size: int, until: float) -> str:
    """Process 0: offer until everyone that was seen has accepted."""
    while True:
        _wait_for([_here(rank) for rank in range(size)], store, until)
        present = _present(store, size)
        offer = uuid.uuid4().hex
        store.set(OFFER, json.dumps([offer, present]))
        answers = [_answer(offer, rank) for rank in range(1, size)]
        while _present(store, size) == present:
            if not answers or store.check(answers):
                store.set(_taken(offer), "")
                return offer
            _pause(until)


def _accepted(store: Store, rank: int, name: str, until: float) -> str:
    """Accept what is offered to this very process, until an offer is taken."""
    while True:
        _wait_for([OFFER], store, until)
        offer, present = json.loads(store.get(OFFER))
        if present[rank : rank + 1] == [name]:
            store.set(_answer(offer, rank), "")
            if store.check([_taken(offer)]):
                return str(offer)
        _pause(until)


def _present(store: Store, size: int) -> list[str]:
    return [store.get(_here(rank)).decode() for rank in range(size)]


def _wait_for(keys: list[str], store: Store, until: float) -> None:
    while not store.check(keys):
        _pause(until)


def _pause(until: float) -> None:
    if time.monotonic() > until:
        raise TrainingError(
            "not all processes of this training came together in time; expected as many as torchrun was told to start; "
            "see in the other machines' output why theirs did not come."
        )
    time.sleep(PAUSE)


def _here(rank: int) -> str:
    return f"here/{rank}"


def _answer(offer: str, rank: int) -> str:
    return f"accepted/{offer}/{rank}"


def _taken(offer: str) -> str:
    return f"taken/{offer}"
