"""Check the chunks of Zarr arrays, and give Zarr codecs that append a CRC."""
