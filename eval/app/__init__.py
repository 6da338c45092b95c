"""The Evaluate and Blind-review tabs and the evaluation API."""
