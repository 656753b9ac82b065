"""What a CRC is: polynomials, the model, the catalogue, the definition. Integers only."""
