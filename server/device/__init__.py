"""What computes: engines on this machine's devices, each with its generators and its known speed. No HTTP."""
