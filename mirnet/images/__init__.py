"""Picture files: decoded once into a Picture, encoded without losing depth, colour or metadata."""
