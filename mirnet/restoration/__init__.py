"""Restoring one photograph: plan, tiles, exact tiles, engines."""
