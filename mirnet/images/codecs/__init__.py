"""One module a file format: `read` gives a `Raster`, `write` takes samples and metadata."""
