"""What every view of the Evaluate page has in common."""
