"""`python -m mirnet` runs the command line of `mirnet.cli`."""

from mirnet.cli.main import main

if __name__ == "__main__":
    main()
