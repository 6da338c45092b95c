"""The Restore and Look-inside tabs, and web serving. Imports gradio only in files that build the page."""
