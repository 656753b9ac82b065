"""Compute many CRCs in one call: slices, segments, batches, and the algebra of CRCs."""
