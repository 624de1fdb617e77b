"""`python -m rlif`."""

from rlif.cli import main

if __name__ == "__main__":
    main()
