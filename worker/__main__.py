"""`python -m worker` is `personalize-worker`."""

from worker.cli.main import main

if __name__ == "__main__":
    main()
