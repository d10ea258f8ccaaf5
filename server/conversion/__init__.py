"""Makes weights files of other projects' files, in a process of its own: the server never reads those."""
