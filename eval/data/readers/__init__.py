"""Readers of pairs, one for each kind of source; `eval.data.reader_factory.open_benchmark` chooses.

files.py      where files are: a local folder (the Hub's are in `eval.data.hub`)
base.py       what all readers share: ids, counts, sizes, hashes
pictures.py   picture files paired by patterns or by metadata.jsonl, and pictures inside a zip
parquet.py    columns of images in Parquet files
dataset_card.py  configurations and splits of a data set card
columns.py    pairs named by columns, whichever file holds them
tars.py       two tarballs of pictures, and webdataset shards
sidd.py       the .mat blocks of SIDD
dnd.py        the official download of DND
noise.py      seeded noise for clean sets
"""
