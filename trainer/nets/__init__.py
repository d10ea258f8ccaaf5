"""Networks that only a training has: discriminators, feature networks, and generators in the form that is trained."""
