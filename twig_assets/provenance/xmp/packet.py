"""The XMP packet: what a claim says in the fields of IPTC and PLUS, added to what a packet has already.

Source: IPTC Photo Metadata Standard 2025.1 (DigitalSourceType, AISystemUsed, AIPromptInformation); PLUS LDF 2.0.1
(DataMining); XMP Specification Part 1.
"""

from xml.dom import minidom
from xml.parsers.expat import ExpatError

from twig_assets.provenance.errors import CredentialError
from twig_assets.provenance.manifest import Claim

RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
_XMLNS = "http://www.w3.org/2000/xmlns/"
_IPTC = ("Iptc4xmpExt", "http://iptc.org/std/Iptc4xmpExt/2008-02-29/")
_PLUS = ("plus", "http://ns.useplus.org/ldf/xmp/1.0/")
_PROHIBITED = "http://ns.useplus.org/ldf/vocab/DMI-PROHIBITED"
_EMPTY = f'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="{RDF}"/></x:xmpmeta>'
_HEAD = '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>'
_TAIL = '<?xpacket end="w"?>'

Property = tuple[tuple[str, str], str, str]


class XmpError(CredentialError):
    """Metadata that cannot be read."""


def properties(claim: Claim) -> list[Property]:
    """What a claim says: namespace, name and value of each property."""
    found: list[Property] = [(_IPTC, "DigitalSourceType", claim.source_uri)]
    if claim.generator:
        found.append((_IPTC, "AISystemUsed", claim.generator))
    if claim.statement and claim.statement.prompt.text:
        found.append((_IPTC, "AIPromptInformation", claim.statement.prompt.text))
    if claim.do_not_train:
        found.append((_PLUS, "DataMining", _PROHIBITED))
    return found


def merged(packet: bytes | None, wanted: list[Property]) -> bytes:
    """A packet with these properties, in place of those of the same names, and with all others that it had.

    Raises:
        XmpError: If the packet is not XML, or declares entities.
    """
    document = _parsed(packet.decode("utf-8", "replace") if packet else _EMPTY)
    roots = document.getElementsByTagNameNS(RDF, "RDF")
    if not roots:
        raise XmpError("its XMP has no rdf:RDF; remove it, as with `exiftool -XMP= FILE`")
    for (_, namespace), name, _ in wanted:
        _remove(roots[0], namespace, name)
    roots[0].appendChild(_description(document, wanted))
    body = document.documentElement.toxml() if document.documentElement else ""
    return f"{_HEAD}{body}{_TAIL}".encode()


def _parsed(text: str) -> minidom.Document:
    # An entity may grow to gigabytes, and XMP needs none.
    if "<!" in text:
        raise XmpError("its XMP has a document type; remove it, as with `exiftool -XMP= FILE`")
    try:
        return minidom.parseString(text.strip("\0 \ufeff\r\n\t").encode())
    except ExpatError as error:
        raise XmpError(f"its XMP is not XML ({error}); remove it, as with `exiftool -XMP= FILE`") from error


def _remove(root: minidom.Element, namespace: str, name: str) -> None:
    for description in root.getElementsByTagNameNS(RDF, "Description"):
        if description.hasAttributeNS(namespace, name):
            description.removeAttributeNS(namespace, name)
        for child in [node for node in description.childNodes if node.nodeType == node.ELEMENT_NODE]:
            if (child.namespaceURI, child.localName) == (namespace, name):
                description.removeChild(child)


def _description(document: minidom.Document, wanted: list[Property]) -> minidom.Element:
    description = document.createElementNS(RDF, "rdf:Description")
    description.setAttributeNS(_XMLNS, "xmlns:rdf", RDF)
    description.setAttributeNS(RDF, "rdf:about", "")
    for (prefix, namespace), name, value in wanted:
        description.setAttributeNS(_XMLNS, f"xmlns:{prefix}", namespace)
        description.setAttributeNS(namespace, f"{prefix}:{name}", value)
    return description
