"""`python -m server`: the same as `neural-upscale serve`."""

from server.serve import main

if __name__ == "__main__":
    raise SystemExit(main())
