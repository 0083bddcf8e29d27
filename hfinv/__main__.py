"""python -m hfinv"""

from __future__ import annotations

from hfinv.cli import main

if __name__ == "__main__":
    main(prog_name="hfinv")
