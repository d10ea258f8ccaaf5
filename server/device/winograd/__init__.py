"""Winograd's minimal filtering for `compact` generators on a CPU, in C++ that is built on this machine."""
