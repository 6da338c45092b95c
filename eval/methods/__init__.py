"""Methods that an evaluation compares: our weights, baselines, other people's models."""
