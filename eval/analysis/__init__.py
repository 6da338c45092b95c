"""Tables, plots and statistics of stored runs, and published numbers."""
