"""A tiny training recipe and made-up photographs."""

from mirnet.train.run import train

RECIPE = """
id = "tiny"
task = "denoise"
save_every = 2
evaluate_every = 4

[network]
settings = {{ features = 8, blocks = 1, conv_groups = [1], unshuffle = 2, exposure = {exposure} }}

[data]
photos = "{folder}"
degradation = "{degradation}"
patch_px = 16
dev_patch_px = 32
batch = 2

[optimizer]
steps = 8
learning_rate = 1e-3
warmup = 2
"""


def write_recipe(path, prepared, degradation="noise", **changes):
    text = RECIPE.format(
        folder=prepared, degradation=degradation, exposure=str(degradation == "dark").lower()
    )
    for old, new in changes.items():
        text = text.replace(old, new)
    path.write_text(text)
    return path


def run(recipe, folder, **options):
    return list(train(recipe, folder, **options))
