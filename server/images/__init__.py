"""Image files, there and back, with everything else that they hold."""
