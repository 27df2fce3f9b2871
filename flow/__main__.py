"""`python -m flow` is the command line."""

from flow.cli.main import main

if __name__ == "__main__":
    main()
