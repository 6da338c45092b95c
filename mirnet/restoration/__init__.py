"""Restoration of one photo: from any file to a result of the same depth.

In the order of the work: `api` (checks the request and has
`mirnet.images.network_input` prepare the photo), `plan` (cuts the photo), `job` (runs the
plan), `runner` (runs the network on a tile), `tiles` and `exact_tiles` (join tiles to a picture),
`result`. `engines` holds other ways to compute the same networks, and `choices` lists the options
of a restoration without importing torch.
"""
