"""A picture's way through the server: cut into bands and tiles, queued, put together again. No torch, no HTTP."""
