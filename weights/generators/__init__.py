"""What a generator is (`base`), one module for each architecture, and the registry that lists them."""
