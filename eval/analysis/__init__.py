"""Tables, figures and statistics of stored runs, and published numbers."""
