"""`python -m twig_assets.cli` is the command `twig`."""

from twig_assets.cli import main

if __name__ == "__main__":
    main()
