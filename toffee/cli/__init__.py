"""The command line: ``toffee`` and ``python -m toffee``. Begin at :mod:`toffee.cli.main`.

A module has one command or two of a kind: ``add`` makes their parsers, and what runs imports what
it needs. So ``toffee print`` loads neither NumPy nor PyTorch.
"""
