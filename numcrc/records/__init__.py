"""Many CRCs in one call: slices of arrays, segments, batches, the algebra of CRCs."""
