"""Signs SAML 2.0 assertions with signxml, an XML Signature library of Python.

Reads one JSON object from standard input and writes the assertion, as XML, to standard output:
  key, certificate   PEM files
  algorithm          rsa-sha256, ecdsa-sha256, ...
  issuer, name, audience, recipient, id
  now, until         xs:dateTime

    pip install signxml
    python3 make.py <settings.json
"""

import json
import sys

from lxml import etree
from signxml import XMLSigner, methods

TEMPLATE = """<saml:Assertion xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion" xmlns:xs="http://www.w3.org/2001/XMLSchema" \
xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" ID="{id}" Version="2.0" IssueInstant="{now}"><saml:Issuer>{issuer}</saml:Issuer>\
<ds:Signature xmlns:ds="http://www.w3.org/2000/09/xmldsig#" Id="placeholder"/>\
<saml:Subject><saml:NameID Format="urn:oasis:names:tc:SAML:1.1:nameid-format:unspecified">{name}</saml:NameID>\
<saml:SubjectConfirmation Method="urn:oasis:names:tc:SAML:2.0:cm:bearer">\
<saml:SubjectConfirmationData NotOnOrAfter="{until}" Recipient="{recipient}"/></saml:SubjectConfirmation></saml:Subject>\
<saml:Conditions NotBefore="{now}" NotOnOrAfter="{until}"><saml:AudienceRestriction><saml:Audience>{audience}</saml:Audience>\
</saml:AudienceRestriction></saml:Conditions><saml:AuthnStatement AuthnInstant="{now}"><saml:AuthnContext>\
<saml:AuthnContextClassRef>urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport</saml:AuthnContextClassRef>\
</saml:AuthnContext></saml:AuthnStatement><saml:AttributeStatement><saml:Attribute Name="department">\
<saml:AttributeValue xsi:type="xs:string">treasury &amp; "risk"</saml:AttributeValue></saml:Attribute></saml:AttributeStatement>\
</saml:Assertion>"""


def main():
    settings = json.load(sys.stdin)
    root = etree.fromstring(TEMPLATE.format(**settings))
    signer = XMLSigner(
        method=methods.enveloped,
        signature_algorithm=settings["algorithm"],
        digest_algorithm="sha256",
        c14n_algorithm="http://www.w3.org/2001/10/xml-exc-c14n#",
    )
    with open(settings["key"], "rb") as key, open(settings["certificate"], "rb") as certificate:
        signed = signer.sign(root, key=key.read(), cert=certificate.read(), reference_uri=settings["id"], id_attribute="ID")
    sys.stdout.write(etree.tostring(signed).decode())


main()
