"""Define CRCs in terms of integers: polynomials, the model, the catalogue, a reference."""
