"""`python -m trainer.gpu`."""

import sys

from trainer.gpu.cli import main

if __name__ == "__main__":
    sys.exit(main())
