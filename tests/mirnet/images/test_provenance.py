"""Provenance in XMP: how a picture was made, and that it is no untouched capture."""

import xml.etree.ElementTree as ET

import pytest

from mirnet.images.decode import read_image
from mirnet.images.encode import encode_image
from mirnet.images.formats import SAVE_FORMATS
from mirnet.images.provenance import ENHANCED, IPTC_NAMESPACE, NAMESPACE, with_provenance
from mirnet.restoration.api import restore
from tests.support.small_restorations import Identity, photo

RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
HEAD = f'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="{RDF}">'
TYPE = f'xmlns:Iptc4xmpExt="{IPTC_NAMESPACE}"'


def values(xmp: bytes, namespace: str) -> dict[str, list[str]]:
    """Values of all elements and attributes of a name space; fails where XMP is no valid XML."""
    found: dict[str, list[str]] = {}
    for element in ET.fromstring(xmp).iter():
        pairs = [(element.tag, element.text or ""), *element.attrib.items()]
        for name, value in pairs:
            if name.startswith(f"{{{namespace}}}"):
                found.setdefault(name.partition("}")[2], []).append(value)
    return found


@pytest.mark.parametrize("target", SAVE_FORMATS)
@pytest.mark.parametrize("metadata", ["all", "no-gps", "none"])
def test_files_say_how_they_were_made_if_wished(tmp_path, target, metadata):
    result = restore(photo(), weights=Identity()).result().blend(0.5, detail=0.25)
    path = tmp_path / "file"
    result.save(path, target, metadata=metadata, provenance=True)
    xmp = read_image(path).xmp
    said = {name: found[0] for name, found in values(xmp, NAMESPACE).items()}
    assert said["Software"].startswith("MIRNet Studio ")
    assert (said["Task"], said["Strength"], said["Detail"]) == ("denoise", "0.5", "0.25")
    assert said["Weights"] == "Identity module"
    assert values(xmp, IPTC_NAMESPACE) == {"DigitalSourceType": [ENHANCED]}
    assert read_image(result.save(path, target)).xmp is None


def test_shipped_weights_are_named_by_their_hash():
    result = restore(photo(8, 8)).result()
    assert result.provenance()["WeightsSHA256"] == result.weights_sha256
    assert len(result.weights_sha256) == 64


def test_what_a_packet_says_stays_and_details_are_replaced():
    packet = f'{HEAD}<rdf:Description rdf:about="uuid:1" xmlns:dc="urn:dc" dc:title="a"/>'
    packet = f"{packet}</rdf:RDF></x:xmpmeta>".encode()
    once = with_provenance(packet, {"Task": "denoise", "Weights": "<a> & b"})
    twice = with_provenance(once, {"Task": "sr-x2"})
    assert values(twice, "urn:dc") == {"title": ["a"]}
    assert values(once, NAMESPACE) == {"Task": ["denoise"], "Weights": ["<a> & b"]}
    assert values(twice, NAMESPACE) == {"Task": ["sr-x2"]}
    assert values(twice, IPTC_NAMESPACE)["DigitalSourceType"] == [ENHANCED]
    assert values(once, RDF)["about"] == ["uuid:1", "uuid:1"]


@pytest.mark.parametrize("element", [False, True])
@pytest.mark.parametrize(
    ("before", "after"),
    [("digitalCapture", "algorithmicallyEnhanced"), ("trainedAlgorithmicMedia", None)],
)
def test_a_generated_picture_stays_one(element, before, after):
    code = ENHANCED.rpartition("/")[0] + "/"
    name = "Iptc4xmpExt:DigitalSourceType"
    said = f"><{name}>{code}{before}</{name}></rdf:Description>"
    if not element:
        said = f' {name}="{code}{before}"/>'
    packet = f'{HEAD}<rdf:Description rdf:about="" {TYPE}{said}</rdf:RDF></x:xmpmeta>'
    found = values(with_provenance(packet.encode(), {}), IPTC_NAMESPACE)
    assert found == {"DigitalSourceType": [code + (after or before)]}


@pytest.mark.parametrize("broken", [b"", b"<rdf:RDF no end", None])
def test_a_packet_without_end_is_replaced(broken):
    assert values(with_provenance(broken, {"Task": "denoise"}), NAMESPACE)["Task"] == ["denoise"]


def test_a_pointer_to_a_manifest_is_no_part_of_a_result(tmp_path):
    said = '<rdf:Description xmlns:dcterms="urn:d"><dcterms:provenance>self#jumbf=/c2pa/x'
    packet = f"{HEAD}{said}</dcterms:provenance></rdf:Description></rdf:RDF></x:xmpmeta>"
    picture = restore(photo(), weights=Identity()).result().picture
    data = encode_image(type(picture)(picture.pixels, xmp=packet.encode()), "JPEG")
    assert b"c2pa" not in read_image(data).xmp and ET.fromstring(read_image(data).xmp) is not None
