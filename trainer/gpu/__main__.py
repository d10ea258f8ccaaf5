"""`python -m trainer.gpu`."""

import sys

from trainer.folders import ignore_current_folder

if __name__ == "__main__":
    ignore_current_folder()
    from trainer.gpu.cli import main

    sys.exit(main())
