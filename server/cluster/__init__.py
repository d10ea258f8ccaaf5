"""Workers on several machines, by Ray; none of this is imported unless `--workers ray` asks for it.

slots.py      which devices of the cluster are to have a worker: integers and names only
workers.py      keeps a worker in every slot: hires, replaces, joins them to the queue
ray_engine.py     a worker as the queue sees it: the queue's `Engine`
weights_store.py      weights files, put once where every worker can fetch them
actor.py      what runs on the other side: one device with its generators

A batch goes to whoever is free. A worker that dies parts from the queue with `EngineLost`, its batch is done again by
another, and the fleet hires a successor. Which tile came from where can be neither seen nor guessed by a client.
"""
