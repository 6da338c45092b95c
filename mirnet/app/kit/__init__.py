"""The UI kit that the Restore wing (`mirnet.app`) and the Evaluate wing (`eval.app`) share.

`html` makes escaped pieces of HTML, `widgets` holds what Gradio events have in common, and `assets`
loads scripts, style sheets and jinja2 templates. The kit knows no view, no network and no torch.
"""
