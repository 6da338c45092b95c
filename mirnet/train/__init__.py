"""Training: freely licensed photographs, seeded degradations, one resumable loop."""
