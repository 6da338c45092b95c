"""Restoration of one photo: from any file to a result of the same depth.

In the order of the work: `api` (what a caller asks), `plan` (how the photo is cut),
`job` (runs the plan), `runner` (one tile through the network), `tiles` and `exact_tiles` (how tiles
become a picture), `result`. `engines` holds other ways to compute the same networks, and `choices`
names what a person may choose, without importing torch.
"""
