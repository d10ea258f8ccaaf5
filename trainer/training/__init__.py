"""The training itself: a session runs phases, a loop runs steps, a step moves the networks once."""
