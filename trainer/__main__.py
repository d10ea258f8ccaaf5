"""`python -m trainer`."""

import sys

from trainer.folders import ignore_current_folder

if __name__ == "__main__":
    ignore_current_folder()
    from trainer.cli.main import main

    sys.exit(main())
