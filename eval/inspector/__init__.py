"""Looking at the pictures of a stored run."""
