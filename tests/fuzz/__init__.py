"""Fuzz numcrc: every parser with mutated files, and the array API with random calls.

``python -m tests.fuzz`` lists the targets, and ``python -m tests.fuzz NAME --seconds 600`` runs
one (``all``: each). The tests run each for ``NUMCRC_FUZZ_SECONDS``, if set, with the seed
``NUMCRC_FUZZ_SEED`` or a random one; CI has a fixed seed, so that only a change can fail it.

Targets are of two kinds:

`fuzz.kinds.ByteTarget`
    A function of bytes. Atheris (libFuzzer) mutates the files that numcrc's own writers make,
    guided by the branches that the parser takes. A parser may raise its documented error, and
    no other. What was read can be written in every format and read back equal, a file is read
    the same from a pipe as from memory, a file without its end is an error in formats that mark
    their end, and memory and time are bounded.

`fuzz.kinds.CallTarget`
    A function that returns the source code of a random call and of its check: by zlib, by the
    definition of a CRC, or that nothing is lost if arguments change meanwhile. It needs no
    package.

Each target runs in a process of its own, which may crash or hang. What is found is printed as
code to paste into ``tests/test_fuzz.py``: the smallest input with the same error, or the call.
``--seed`` and ``--case`` repeat one call. libFuzzer repeats a run by ``--seed`` and the same
number of inputs only, so its input is printed, not its number.

A new parser gets a module here with `TARGETS`, which `fuzz.targets` lists. Its seeds come from
the writer of the format, its tokens are the words of the format, and its function raises an
exception only for a defect of the parser.
"""
