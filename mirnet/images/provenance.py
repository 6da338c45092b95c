"""Provenance: XMP that says how a picture was made, for files whose owner wishes it.

Details stand in a name space of their own; `DigitalSourceType` is that of IPTC's photo metadata
standard 2023.2, whose example for `algorithmicallyEnhanced` is noise removal.
"""

import re
from collections.abc import Mapping
from xml.sax.saxutils import escape

ENHANCED = "http://cv.iptc.org/newscodes/digitalsourcetype/algorithmicallyEnhanced"
"""IPTC's code for media that an algorithm corrected."""
NAMESPACE = "urn:mirnet-studio:restoration:1.0"
"""XML name space of the details."""
IPTC_NAMESPACE = "http://iptc.org/std/Iptc4xmpExt/2008-02-29/"

_EMPTY = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/">'
    b'<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"></rdf:RDF></x:xmpmeta>'
)
_EARLIER = re.compile(
    rb'<(\w+):Description [^>]*xmlns:mirnet="%s".*?</\1:Description>' % NAMESPACE.encode(),
    re.DOTALL,
)
"""Details of an earlier restoration, which the new ones replace."""
_SOURCE_TYPE = re.compile(
    rb"""\s\w+:DigitalSourceType\s*=\s*(?:"[^"]*"|'[^']*')"""
    rb"""|<(\w+):DigitalSourceType\b[^>]*?(?:/>|>.*?</\1:DigitalSourceType>)""",
    re.DOTALL,
)
_SYNTHETIC = b"lgorithmicMedia"
"""Part of IPTC's codes for media that were generated, which a restoration does not undo."""
_END = re.compile(rb"</(\w+):RDF\s*>")
_ABOUT = re.compile(rb"""\s\w+:about=["']([^"'<]*)["']""")


def with_provenance(xmp: bytes | None, details: Mapping[str, str]) -> bytes:
    """Add provenance to an XMP packet.

    Args:
        xmp: Packet of the picture; None starts a new one.
        details: Values by name; names are letters, values any text.

    Returns:
        The packet with details and `DigitalSourceType`. A source type that says that the picture
        was generated is kept; details of an earlier restoration are replaced.
    """
    packet = _EARLIER.sub(b"", xmp or b"")
    generated = any(_SYNTHETIC in found[0] for found in _SOURCE_TYPE.finditer(packet))
    if not generated:
        packet = _SOURCE_TYPE.sub(b"", packet)
    ends = list(_END.finditer(packet))
    if not ends:
        packet = _EMPTY
        ends = list(_END.finditer(packet))
    lines = [f"<mirnet:{name}>{escape(value)}</mirnet:{name}>" for name, value in details.items()]
    if not generated:
        lines.insert(
            0, f"<Iptc4xmpExt:DigitalSourceType>{ENHANCED}</Iptc4xmpExt:DigitalSourceType>"
        )
    rdf = ends[-1][1].decode()
    about = _ABOUT.search(packet)  # one packet describes one resource
    block = (
        f'<{rdf}:Description {rdf}:about="{about[1].decode() if about else ""}" '
        f'xmlns:mirnet="{NAMESPACE}" xmlns:Iptc4xmpExt="{IPTC_NAMESPACE}">'
        f"{''.join(lines)}</{rdf}:Description>"
    )
    end = ends[-1].start()
    return packet[:end] + block.encode() + packet[end:]
