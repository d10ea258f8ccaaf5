"""Trains and measures on a GPU that is lent for half an hour, in calls of a few minutes, over a narrow door.

    cli ──▶ travel               files go and come in parts
        ──▶ running ──▶ bank     all patches in device memory; cut, turned and degraded there
                    ──▶ trial    whether torch.compile pays, found out in a process that may be killed
                    ──▶ timed    the training loop, by the clock instead of by steps
                    ──▶ packing  a checkpoint in as few bytes as wanted
        ──▶ measuring ──▶ serving  figures for docs/; the real server on loopback
                                 ──▶ starting  its process; the editors' tests start theirs with it too

Nothing here is needed to train on a machine of one's own: `python -m trainer run` does that. docs/gpu.md has the calls.
"""
