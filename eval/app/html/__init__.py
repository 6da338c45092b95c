"""The pieces of HTML that the Evaluate tab shows, by view.

Every function returns `markupsafe.Markup`; text from outside is escaped by the templates.
"""
