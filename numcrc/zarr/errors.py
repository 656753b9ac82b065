"""Define the error of a damaged chunk."""


class ChecksumError(ValueError, RuntimeError):
    """The stored CRC of a chunk is not the CRC of its bytes.

    It is a ValueError, which codecs of Zarr raise then, and a RuntimeError, which those of
    numcodecs raise.
    """

    __module__ = "numcrc.zarr"
